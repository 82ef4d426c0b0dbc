//! The state machine by itself, one rule each.

use super::regret::{LOSS_FLOOR_GAS, PAUSE, SUSPENSION_GAS};
use super::*;

fn scheduler(tx_count: usize) -> Scheduler {
    Scheduler::new(tx_count, (0..tx_count).map(TxIndex::from).collect(), Limits::default())
}

fn executed(tx: u32, in_chain: bool) -> Event {
    Event::Executed { tx: TxIndex(tx), gas: 21_000, in_chain, suspects: Vec::new() }
}

fn committed(range: Range<u32>) -> Event {
    committed_with(range, 0)
}

fn committed_with(range: Range<u32>, gas: u64) -> Event {
    Event::Committed { range, gas, wasted_gas: 0, redone: 0, suspects: Vec::new() }
}

fn suspended(tx: u32, on: u32) -> Event {
    Event::Suspended { tx: TxIndex(tx), on: WaitFor::Tx(TxIndex(on)) }
}

fn starts(tx: u32) -> Task {
    Task::first(TxIndex(tx))
}

fn resumes(tx: u32) -> Task {
    Task::Resume { tx: TxIndex(tx) }
}

#[test]
fn who_waits_for_a_transaction_that_is_being_committed_is_woken_by_the_commit() {
    let mut scheduler = scheduler(2);
    assert_eq!(scheduler.step(Event::Idle), starts(0));
    assert_eq!(scheduler.step(Event::Idle), starts(1));
    assert_eq!(scheduler.step(Event::Deferred { tx: TxIndex(0) }), Task::Commit { range: 0..1, in_order: true });
    // What transaction 0 wrote ahead may still be marked: looking again at once would only wait again.
    assert_eq!(scheduler.step(suspended(1, 0)), Task::Wait);
    assert_eq!(scheduler.step(committed(0..1)), resumes(1));
}

#[test]
fn a_chain_is_woken_link_by_link_and_others_together() {
    for in_chain in [true, false] {
        let mut scheduler = scheduler(4);
        for tx in 0..4 {
            assert_eq!(scheduler.step(Event::Idle), starts(tx));
        }
        for tx in 1..4 {
            assert_eq!(scheduler.step(suspended(tx, 0)), Task::Wait);
        }
        assert_eq!(scheduler.step(executed(0, in_chain)), Task::Commit { range: 0..1, in_order: false });
        assert_eq!(scheduler.step(Event::Idle), resumes(1));
        let next = scheduler.step(Event::Idle);
        if in_chain {
            assert_eq!(next, Task::Wait, "transaction 2 waits for 1 now");
            assert_eq!(scheduler.step(executed(1, true)), resumes(2));
        } else {
            assert_eq!(next, resumes(2));
            assert_eq!(scheduler.step(Event::Idle), resumes(3));
        }
    }
}

#[test]
fn where_losses_prevail_transactions_start_in_their_turn_for_a_while() {
    let mut scheduler = scheduler(1_000);
    assert_eq!(scheduler.step(Event::Idle), starts(0));
    let mut started = 0;
    // Nothing is committed that could pay for it.
    while started < 1_000 && scheduler.step(Event::Idle) == starts(started + 1) {
        started += 1;
        scheduler.report(suspended(started, 0));
    }
    assert_eq!(u64::from(started), LOSS_FLOOR_GAS / SUSPENSION_GAS + 1);
    assert_eq!(scheduler.step(Event::Idle), Task::Wait, "nothing starts ahead of its turn");
    assert_eq!(scheduler.step(executed(0, false)), Task::Commit { range: 0..1, in_order: false });
    scheduler.report(committed(0..1));
    // What had started goes on, and what it does during the pause does not lengthen it.
    for tx in 1..=started {
        assert_eq!(scheduler.step(Event::Idle), resumes(tx));
    }
    for tx in 1..=started {
        scheduler.report(Event::Cancelled { tx: TxIndex(tx) });
    }
    let mut in_order = 0;
    loop {
        match scheduler.step(Event::Idle) {
            Task::Commit { range, in_order: true } => {
                assert!(range.len() as u32 <= RUN_MAX);
                in_order += range.len() as u32;
                scheduler.report(committed(range));
            }
            task => {
                assert!(matches!(task, Task::Execute { .. }), "{task:?}");
                break;
            }
        }
    }
    assert_eq!(in_order, PAUSE - 1);
}

#[test]
fn what_is_committed_pays_for_losses() {
    let mut scheduler = scheduler(1_000);
    assert_eq!(scheduler.step(Event::Idle), starts(0));
    for tx in 1..1_000 {
        assert_eq!(scheduler.step(Event::Idle), starts(tx));
        scheduler.report(suspended(tx, 0));
        scheduler.report(committed_with(0..0, 2 * SUSPENSION_GAS));
    }
}

#[test]
fn short_transactions_are_given_out_by_the_handful() {
    let limits = Limits { handful_gas: 100_000, ..Limits::default() };
    let order = (0..8).map(TxIndex::from).collect();
    let gas_limits = vec![21_000, 21_000, 50_000, 21_000, 500_000, 21_000, 21_000, 21_000];
    let mut scheduler = Scheduler::new(8, order, limits).with_gas_limits(gas_limits);
    for (tx, more) in [(0, 2), (3, 0), (4, 0), (5, 2)] {
        let incarnation = Incarnation::default();
        assert_eq!(scheduler.step(Event::Idle), Task::Execute { tx: TxIndex(tx), incarnation, more });
    }
    assert_eq!(scheduler.step(Event::Idle), Task::Wait);
}

#[test]
fn a_few_are_committed_only_where_there_is_nothing_else_to_do() {
    let limits = Limits { commit_min: 4, ..Limits::default() };
    let mut scheduler = Scheduler::new(10, (0..10).map(TxIndex::from).collect(), limits);
    for tx in 0..4 {
        assert_eq!(scheduler.step(Event::Idle), starts(tx));
    }
    for tx in 0..3 {
        assert_eq!(scheduler.step(executed(tx, false)), starts(tx + 4));
    }
    assert_eq!(scheduler.step(executed(3, false)), Task::Commit { range: 0..4, in_order: false });
    assert_eq!(scheduler.step(Event::Idle), starts(7));
    // Who waits for its turn waits for commits.
    scheduler.report(committed(0..4));
    scheduler.report(executed(4, false));
    scheduler.report(Event::Suspended { tx: TxIndex(5), on: WaitFor::Turn });
    assert_eq!(scheduler.step(Event::Idle), Task::Commit { range: 4..5, in_order: false });
    assert_eq!(scheduler.step(committed(4..5)), resumes(5));
    // Much gas is worth a commit, and so is the end of the block.
    for tx in [5, 6] {
        scheduler.report(Event::Executed {
            tx: TxIndex(tx),
            gas: COMMIT_GAS_MIN,
            in_chain: false,
            suspects: Vec::new(),
        });
    }
    assert_eq!(scheduler.step(Event::Idle), Task::Commit { range: 5..7, in_order: false });
    scheduler.report(committed(5..7));
    assert_eq!(scheduler.step(executed(7, false)), starts(8));
    assert_eq!(scheduler.step(Event::Idle), starts(9));
    scheduler.report(executed(8, false));
    assert_eq!(scheduler.step(executed(9, false)), Task::Commit { range: 7..10, in_order: false });
}

#[test]
fn nobody_is_woken_for_what_the_waker_comes_back_to() {
    let mut scheduler = scheduler(3);
    for tx in 0..3 {
        assert_eq!(scheduler.step(Event::Idle), starts(tx));
    }
    scheduler.report(suspended(1, 0));
    scheduler.report(suspended(2, 0));
    let task = scheduler.step(executed(0, true));
    assert_eq!(task, Task::Commit { range: 0..1, in_order: false });
    assert!(!scheduler.has_work_beside(&task), "one to resume, after a short commit");
    assert!(scheduler.has_work_beside(&Task::Wait), "for somebody else it is work");
    scheduler.report(Event::TicketReady { tx: TxIndex(2) });
    scheduler.report(executed(1, true));
    assert!(scheduler.has_work_beside(&task), "two to resume");
}

#[test]
fn waiting_for_the_parent_state_is_no_trouble() {
    let mut scheduler = scheduler(100);
    for tx in 0..100 {
        assert_eq!(scheduler.step(Event::Idle), starts(tx));
        scheduler.report(Event::Suspended { tx: TxIndex(tx), on: WaitFor::Ticket });
    }
    assert_eq!(scheduler.step(Event::TicketReady { tx: TxIndex(7) }), resumes(7));
}

#[test]
fn waste_past_its_budget_ends_speculation() {
    let mut scheduler = scheduler(10);
    assert_eq!(scheduler.step(Event::Idle), starts(0));
    assert_eq!(scheduler.step(Event::Idle), starts(1));
    scheduler.report(Event::Executed { tx: TxIndex(1), gas: u64::MAX, in_chain: false, suspects: Vec::new() });
    let suspects = vec![TxIndex(1)];
    scheduler.report(Event::Executed { tx: TxIndex(0), gas: 21_000, in_chain: false, suspects });
    assert!(scheduler.counts().gave_up);
    assert_eq!(scheduler.step(Event::Idle), Task::Commit { range: 0..1, in_order: false });
    assert_eq!(scheduler.step(Event::Idle), Task::Wait);
    assert_eq!(scheduler.step(committed(0..1)), Task::Commit { range: 1..10, in_order: true });
}

#[test]
fn where_no_stack_is_left_only_the_cursors_own_transaction_starts() {
    let limits = Limits { suspended: 2, ..Limits::default() };
    let mut scheduler = Scheduler::new(5, (0..5).rev().map(TxIndex::from).collect(), limits);
    for tx in [4, 3] {
        assert_eq!(scheduler.step(Event::Idle), starts(tx));
        scheduler.report(Event::Suspended { tx: TxIndex(tx), on: WaitFor::Ticket });
    }
    assert_eq!(scheduler.step(Event::Idle), starts(0));
    assert_eq!(scheduler.step(Event::Idle), Task::Wait);
    assert_eq!(scheduler.step(Event::TicketReady { tx: TxIndex(4) }), resumes(4));
    assert_eq!(scheduler.step(Event::Idle), starts(2), "a stack is free again");
}
