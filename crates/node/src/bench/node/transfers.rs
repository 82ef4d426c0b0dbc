//! The load: a token, its first holders, and the transfers that are measured, all signed beforehand.
//!
//! Nothing in it depends on the node: addresses follow from keys and nonces, so that every contender gets the same bytes.

use super::account::{Account, Signed};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use eyre::eyre;
use motet_workload::generate::Erc20;
use std::fmt::Write as _;
use std::ops::Range;
use std::thread;

/// Gas of the token's creation, and of a transfer to somebody who holds nothing yet, with something to spare.
const CREATION_GAS: u64 = 2_000_000;
const TRANSFER_GAS: u64 = 70_000;
/// Tokens that each sender has when the clock starts.
const ENDOWMENT: u64 = 1_000_000_000;
/// Recipients have the addresses from here on: nobody's, and not of the first, precompiled ones.
const RECIPIENTS_BASE: u64 = 0xdead_0000_0000_0000;

/// Everything that is sent to a node.
#[derive(Debug)]
pub(super) struct Transfers {
    pub(super) senders: Vec<Address>,
    pub(super) token: Address,
    pub(super) erc20: Erc20,
    pub(super) recipients: u32,
    pub(super) batch: usize,
    /// Creation of the token and the endowment of the senders, by somebody who sends nothing else.
    pub(super) setup: Vec<Signed>,
    /// In the order of sending: the first of every sender, the second of every sender, and so on.
    list: Vec<Signed>,
}

impl Transfers {
    /// Signs everything, on all cores.
    pub(super) fn sign(senders: u32, recipients: u32, count: u64, batch: u32) -> eyre::Result<Self> {
        let erc20 = Erc20::compiled()?;
        let accounts: Vec<Account> = (0..senders).map(Account::nth).collect::<eyre::Result<_>>()?;
        let owner = Account::nth(senders)?;
        let token = owner.address().create(0);
        let supply = U256::from(ENDOWMENT) * U256::from(senders);
        let mut setup = vec![owner.sign(0, TxKind::Create, erc20.deployment(supply), CREATION_GAS)?];
        for (nonce, account) in (1..).zip(&accounts) {
            let input = erc20.transfer(account.address(), U256::from(ENDOWMENT));
            setup.push(owner.sign(nonce, TxKind::Call(token), input, TRANSFER_GAS)?);
        }
        let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
        let share = count.div_ceil(threads).max(1);
        let sign_range = |range: Range<u64>| {
            let sign = |position: u64| {
                let account = &accounts[(position % u64::from(senders)) as usize];
                let input = transfer(&erc20, position, recipients);
                account.sign(position / u64::from(senders), TxKind::Call(token), input, TRANSFER_GAS)
            };
            range.map(sign).collect::<eyre::Result<Vec<Signed>>>()
        };
        let parts = thread::scope(|scope| {
            let starts = (0..count).step_by(share as usize);
            let signing: Vec<_> =
                starts.map(|start| scope.spawn(move || sign_range(start..count.min(start + share)))).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            signing.into_iter().map(join).collect::<eyre::Result<Vec<Vec<Signed>>>>()
        })?;
        let list: Vec<Signed> = parts.into_iter().flatten().collect();
        let senders = accounts.iter().map(Account::address).collect();
        Ok(Self { senders, token, erc20, recipients, batch: batch as usize, setup, list })
    }

    /// The first so many transfers.
    pub(super) fn first(&self, count: u64) -> eyre::Result<&[Signed]> {
        let have = self.list.len();
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.list.get(..count).ok_or_else(|| eyre!("{count} transfers are needed, and {have} are signed: raise --txs"))
    }

    /// How many transfers are signed.
    pub(super) fn count(&self) -> u64 {
        self.list.len() as u64
    }

    /// Bodies of the requests that send these transactions.
    pub(super) fn bodies(&self, transactions: &[Signed]) -> Vec<String> {
        transactions.chunks(self.batch).map(body).collect()
    }

    /// What a sender holds after so many transfers of all.
    pub(super) fn balance_after(&self, count: u64) -> U256 {
        U256::from(ENDOWMENT.saturating_sub(count / self.senders.len().max(1) as u64))
    }

    /// Hashes of every sender's last transaction among the first so many.
    pub(super) fn last_hashes(&self, transactions: &[Signed]) -> Vec<B256> {
        let last = transactions.len().saturating_sub(self.senders.len());
        transactions.get(last..).unwrap_or_default().iter().map(|signed| signed.hash).collect()
    }
}

/// A batch of `eth_sendRawTransaction`; the ids are the positions in it.
pub(super) fn body(transactions: &[Signed]) -> String {
    let mut body = String::from("[");
    for (id, signed) in transactions.iter().enumerate() {
        let comma = if id == 0 { "" } else { "," };
        let raw = &signed.raw;
        // Writing to a string cannot fail.
        let _ = write!(
            body,
            r#"{comma}{{"jsonrpc":"2.0","id":{id},"method":"eth_sendRawTransaction","params":["{raw}"]}}"#
        );
    }
    body.push(']');
    body
}

/// The input of the transfer at a position: one token to the next recipient.
fn transfer(erc20: &Erc20, position: u64, recipients: u32) -> Bytes {
    let number = RECIPIENTS_BASE + position % u64::from(recipients);
    let to = Address::left_padding_from(&number.to_be_bytes());
    erc20.transfer(to, U256::ONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sender_sends_equally_many_and_the_last_are_the_last() {
        let transfers = Transfers::sign(3, 2, 12, 5).expect("signed");
        assert_eq!((transfers.count(), transfers.setup.len()), (12, 4));
        let list = transfers.first(9).expect("there are more");
        assert_eq!(transfers.last_hashes(list), list[6..].iter().map(|signed| signed.hash).collect::<Vec<_>>());
        assert_eq!(transfers.balance_after(9), U256::from(ENDOWMENT - 3));
        assert!(transfers.first(13).is_err());
        let bodies = transfers.bodies(list);
        assert_eq!(bodies.len(), 2);
        for (body, length) in bodies.iter().zip([5, 4]) {
            let calls: Vec<serde_json::Value> = serde_json::from_str(body).expect("JSON");
            assert_eq!(calls.len(), length);
            assert!(calls.iter().all(|call| call["method"] == "eth_sendRawTransaction"));
        }
    }
}
