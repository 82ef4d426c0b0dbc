//! The development accounts: keys from a mnemonic, as wallets derive them (BIP-39, BIP-44).

use alloy_primitives::{Address, hex};
use alloy_signer_local::{LocalSignerError, MnemonicBuilder, PrivateKeySigner};
use std::fmt;

/// The mnemonic that development chains use. Everybody knows its keys.
pub(crate) const MNEMONIC: &str = "test test test test test test test test test test test junk";
/// Path of the first accounts. BIP-44, coin type 60.
pub(crate) const DERIVATION_PATH: &str = "m/44'/60'/0'/0/";
/// Accounts of a development chain, if nobody says otherwise.
pub(crate) const ACCOUNTS: u32 = 10;
/// Most accounts that are derived: each takes about a millisecond.
pub(crate) const ACCOUNTS_MAX: u32 = 1000;

/// Keys of development accounts, in the order of their indices.
#[derive(Clone)]
pub(crate) struct DevAccounts {
    signers: Vec<PrivateKeySigner>,
}

/// A mnemonic that gives no keys.
#[derive(Debug, thiserror::Error)]
#[error("--mnemonic: account {index}: {source}")]
pub(crate) struct MnemonicError {
    /// The account.
    index: u32,
    /// Why.
    source: Box<LocalSignerError>,
}

impl DevAccounts {
    /// The first accounts of a mnemonic.
    ///
    /// # Errors
    /// When it is none: words that are not in the list, or a wrong checksum.
    pub(crate) fn derive(mnemonic: &str, count: u32) -> Result<Self, MnemonicError> {
        let derived = (0..count).map(|index| {
            MnemonicBuilder::try_from_phrase_nth(mnemonic, index)
                .map_err(|source| MnemonicError { index, source: Box::new(source) })
        });
        Ok(Self { signers: derived.collect::<Result<_, _>>()? })
    }

    /// Their keys.
    pub(crate) fn signers(&self) -> &[PrivateKeySigner] {
        &self.signers
    }

    /// Their addresses.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = Address> + '_ {
        self.signers.iter().map(PrivateKeySigner::address)
    }

    /// A key, as wallets take it.
    pub(crate) fn key_in_hex(signer: &PrivateKeySigner) -> String {
        hex::encode_prefixed(signer.to_bytes())
    }
}

impl fmt::Debug for DevAccounts {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.addresses()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::address;

    #[test]
    fn the_usual_accounts_come_from_the_usual_mnemonic() {
        let accounts = DevAccounts::derive(MNEMONIC, 10).unwrap();
        let addresses: Vec<Address> = accounts.addresses().collect();
        assert_eq!(addresses[0], address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
        assert_eq!(addresses[1], address!("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"));
        assert_eq!(addresses[9], address!("0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"));
        let key = DevAccounts::key_in_hex(&accounts.signers()[0]);
        assert_eq!(key, "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
        assert!(!format!("{accounts:?}").contains("ac0974"));
    }

    #[test]
    fn what_is_no_mnemonic_is_refused() {
        assert!(DevAccounts::derive("test test junk", 1).is_err());
        assert!(DevAccounts::derive("one two three four five six seven eight nine ten eleven dozen", 1).is_err());
    }
}
