//! Transactions that a development chain takes without a signature.
//!
//! Such a transaction carries a signature that no key can make: `s` is zero, which the curve's rules forbid, and `r` is the
//! sender. Whoever checks signatures refuses it, as everything does that a stranger hands in: pools, imports, the Engine
//! API. Only the development node, which was told to impersonate, builds blocks with it.
//!
//! ```text
//! who asks                                              what to call
//! judges transactions that come from outside            block::recover_transaction: refuses it
//! reads a block that is on the chain already            chain_sender: knows the sender
//! ```

use crate::block::{Transaction, recover_transaction};
use crate::index::TxIndex;
use alloy_primitives::{Address, Signature, U256};

/// What stands in place of a signature where a development chain lets somebody send without one.
pub fn impersonated_signature(sender: Address) -> Signature {
    Signature::new(U256::from_be_slice(sender.as_slice()), U256::ZERO, false)
}

/// The sender that such a signature names; `None`: it is none of these.
pub fn impersonated_sender(signature: &Signature) -> Option<Address> {
    if !signature.s().is_zero() || signature.v() {
        return None;
    }
    let bytes = signature.r().to_be_bytes::<32>();
    let (zeros, sender) = bytes.split_at(12);
    zeros.iter().all(|byte| *byte == 0).then(|| Address::from_slice(sender))
}

/// Who sent a transaction of a block that is on the chain, or of a pool that took it: somebody has judged it before.
///
/// Never for transactions from outside: it takes those that were not signed for what they say.
pub fn chain_sender(transaction: &Transaction) -> Option<Address> {
    impersonated_sender(transaction.signature())
        .or_else(|| recover_transaction(TxIndex(0), transaction).ok().map(|(sender, _)| sender))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{SignableTransaction, TxLegacy};
    use alloy_primitives::address;

    #[test]
    fn an_impersonated_sender_is_known_to_who_asks_for_it_alone() {
        for sender in
            [address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"), Address::ZERO, Address::repeat_byte(0xff)]
        {
            let signature = impersonated_signature(sender);
            assert_eq!(impersonated_sender(&signature), Some(sender));
            let transaction: Transaction = TxLegacy::default().into_signed(signature).into();
            assert_eq!(chain_sender(&transaction), Some(sender));
            assert!(recover_transaction(TxIndex(0), &transaction).is_err(), "{sender}");
        }
    }

    #[test]
    fn other_signatures_name_nobody() {
        let sender = Address::repeat_byte(7);
        let r = impersonated_signature(sender).r();
        for signature in [
            Signature::new(r, U256::from(1), false),
            Signature::new(r, U256::ZERO, true),
            Signature::new(r | (U256::from(1) << 160), U256::ZERO, false),
            Signature::test_signature(),
        ] {
            assert_eq!(impersonated_sender(&signature), None);
        }
    }
}
