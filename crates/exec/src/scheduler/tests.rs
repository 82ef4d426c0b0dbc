//! The state machine by itself, one rule each.

use super::regret::{PAUSE, TROUBLE_PER_WORKER};
use super::*;

/// Of two workers.
const TROUBLE_MAX: u32 = 2 * TROUBLE_PER_WORKER;

fn scheduler(tx_count: usize) -> Scheduler {
    Scheduler::new(tx_count, (0..tx_count).map(TxIndex::from).collect(), Limits::default())
}

fn executed(tx: u32, in_chain: bool) -> Event {
    Event::Executed { tx: TxIndex(tx), gas: 21_000, in_chain, suspects: Vec::new() }
}

fn committed(range: Range<u32>) -> Event {
    Event::Committed { range, gas: 21_000, wasted_gas: 0, redone: 0, suspects: Vec::new() }
}

fn suspended(tx: u32, on: u32) -> Event {
    Event::Suspended { tx: TxIndex(tx), on: WaitFor::Tx(TxIndex(on)) }
}

fn starts(tx: u32) -> Task {
    Task::Execute { tx: TxIndex(tx), incarnation: Incarnation::default() }
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
fn where_trouble_prevails_transactions_start_in_their_turn_for_a_while() {
    let mut scheduler = scheduler(1_000);
    assert_eq!(scheduler.step(Event::Idle), starts(0));
    for tx in 1..=TROUBLE_MAX + 1 {
        assert_eq!(scheduler.step(Event::Idle), starts(tx));
        scheduler.report(suspended(tx, 0));
    }
    assert_eq!(scheduler.step(Event::Idle), Task::Wait, "nothing starts ahead of its turn");
    assert_eq!(scheduler.step(executed(0, false)), Task::Commit { range: 0..1, in_order: false });
    scheduler.report(committed(0..1));
    // What had started goes on, and what it does during the pause does not lengthen it.
    for tx in 1..=TROUBLE_MAX + 1 {
        assert_eq!(scheduler.step(Event::Idle), resumes(tx));
    }
    for tx in 1..=TROUBLE_MAX + 1 {
        scheduler.report(Event::Cancelled { tx: TxIndex(tx) });
    }
    let mut in_order = 0;
    loop {
        match scheduler.step(Event::Idle) {
            Task::Commit { range, in_order: true } => {
                in_order += 1;
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
    assert_eq!(scheduler.step(committed(0..1)), Task::Commit { range: 1..2, in_order: true });
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
