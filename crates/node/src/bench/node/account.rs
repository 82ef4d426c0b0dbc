//! The development accounts that both nodes fund, and what they sign.

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::{MnemonicBuilder, PrivateKeySigner};
use eyre::WrapErr;

/// The mnemonic of every development node.
const MNEMONIC: &str = "test test test test test test test test test test test junk";
/// EIP-155 chain id of development nodes.
pub(super) const CHAIN_ID: u64 = 31_337;
/// What is offered per gas: far above any base fee of a run, so that no block is too dear.
const FEE_WEI_MAX: u128 = 200_000_000_000;
const TIP_WEI: u128 = 1_000_000_000;

/// An account with its key.
#[derive(Debug)]
pub(super) struct Account {
    signer: PrivateKeySigner,
}

/// A transaction as it is sent, with its hash.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) hash: B256,
    /// `0x` and hexadecimal digits, as `eth_sendRawTransaction` takes it.
    pub(super) raw: String,
}

impl Account {
    /// The account of the mnemonic at an index.
    pub(super) fn nth(index: u32) -> eyre::Result<Self> {
        let signer = MnemonicBuilder::try_from_phrase_nth(MNEMONIC, index).wrap_err("deriving a key")?;
        Ok(Self { signer })
    }

    pub(super) fn address(&self) -> Address {
        self.signer.address()
    }

    /// Signs a call or, without recipient, a creation.
    pub(super) fn sign(&self, nonce: u64, to: TxKind, input: Bytes, gas_limit: u64) -> eyre::Result<Signed> {
        let tx = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit,
            max_fee_per_gas: FEE_WEI_MAX,
            max_priority_fee_per_gas: TIP_WEI,
            to,
            value: U256::ZERO,
            access_list: Default::default(),
            input,
        };
        let signature = self.signer.sign_hash_sync(&tx.signature_hash()).wrap_err("signing a transaction")?;
        let encoded = tx.into_signed(signature).encoded_2718();
        Ok(Signed { hash: keccak256(&encoded), raw: hex::encode_prefixed(&encoded) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::TxEnvelope;
    use alloy_consensus::transaction::SignerRecoverable;
    use alloy_eips::eip2718::Decodable2718;
    use alloy_primitives::address;

    #[test]
    fn what_is_signed_recovers_to_the_first_development_account() {
        let account = Account::nth(0).expect("a key");
        assert_eq!(account.address(), address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
        let signed = account.sign(7, TxKind::Create, Bytes::from_static(&[1]), 100_000).expect("a signature");
        let raw = hex::decode(&signed.raw).expect("digits");
        let tx = TxEnvelope::decode_2718_exact(&raw).expect("a transaction");
        assert_eq!(tx.recover_signer().expect("a sender"), account.address());
        assert_eq!(*tx.tx_hash(), signed.hash);
    }
}
