//! Whom a development node signs for, and whom it sends for without a signature.

use crate::error::RpcError;
use alloy_primitives::map::AddressMap;
use alloy_primitives::{Address, B256, Signature};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use motet_types::impersonated_signature;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{PoisonError, RwLock};

/// Most accounts that are impersonated one by one.
const IMPERSONATED_MAX: usize = 100_000;

/// The accounts of a development node.
pub struct DevAccounts {
    /// In the order in which they were derived.
    addresses: Vec<Address>,
    signers: AddressMap<PrivateKeySigner>,
    impersonated: RwLock<Impersonated>,
}

#[derive(Debug, Default)]
struct Impersonated {
    everybody: bool,
    addresses: BTreeSet<Address>,
}

/// How a transaction of an account comes to its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sealed {
    /// By its key.
    Signed(Signature),
    /// By nobody: the pool has to be told who sends it.
    Impersonated(Signature),
}

impl fmt::Debug for DevAccounts {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevAccounts").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl DevAccounts {
    /// The accounts of these keys. Nobody is impersonated yet.
    pub fn new(signers: impl IntoIterator<Item = PrivateKeySigner>) -> Self {
        let mut accounts =
            Self { addresses: Vec::new(), signers: AddressMap::default(), impersonated: RwLock::default() };
        for signer in signers {
            let address = signer.address();
            if accounts.signers.insert(address, signer).is_none() {
                accounts.addresses.push(address);
            }
        }
        accounts
    }

    /// The accounts with keys, then those that are impersonated one by one: what `eth_accounts` answers.
    pub fn addresses(&self) -> Vec<Address> {
        let impersonated = self.impersonated.read().unwrap_or_else(PoisonError::into_inner);
        let others = impersonated.addresses.iter().filter(|address| !self.signers.contains_key(*address));
        self.addresses.iter().chain(others).copied().collect()
    }

    /// The first account with a key.
    pub(crate) fn first(&self) -> Option<Address> {
        self.addresses.first().copied()
    }

    /// Lets anybody send as this account.
    pub(crate) fn impersonate(&self, address: Address) -> Result<(), RpcError> {
        let mut impersonated = self.impersonated.write().unwrap_or_else(PoisonError::into_inner);
        if impersonated.addresses.len() >= IMPERSONATED_MAX && !impersonated.addresses.contains(&address) {
            return Err(RpcError::server(format!("too many impersonated accounts: at most {IMPERSONATED_MAX}")));
        }
        impersonated.addresses.insert(address);
        Ok(())
    }

    /// No more. Says whether it was so.
    pub(crate) fn stop_impersonating(&self, address: &Address) -> bool {
        self.impersonated.write().unwrap_or_else(PoisonError::into_inner).addresses.remove(address)
    }

    /// Lets anybody send as anybody, or not.
    pub(crate) fn impersonate_everybody(&self, everybody: bool) {
        self.impersonated.write().unwrap_or_else(PoisonError::into_inner).everybody = everybody;
    }

    /// # Errors
    /// When nobody can send as this account: there is no key, and it is not impersonated.
    pub(crate) fn check_known(&self, address: Address) -> Result<(), RpcError> {
        match self.signers.contains_key(&address) || self.is_impersonated(&address) {
            true => Ok(()),
            false => Err(unknown(address)),
        }
    }

    fn is_impersonated(&self, address: &Address) -> bool {
        let impersonated = self.impersonated.read().unwrap_or_else(PoisonError::into_inner);
        impersonated.everybody || impersonated.addresses.contains(address)
    }

    /// What a transaction of this account with this hash to sign carries for a signature.
    ///
    /// # Errors
    /// When there is no key and it is not impersonated.
    pub(crate) fn seal(&self, address: Address, hash: &B256) -> Result<Sealed, RpcError> {
        match self.signers.get(&address) {
            Some(signer) => Ok(Sealed::Signed(sign(signer, hash)?)),
            None if self.is_impersonated(&address) => Ok(Sealed::Impersonated(impersonated_signature(address))),
            None => Err(unknown(address)),
        }
    }

    /// The account's signature.
    ///
    /// # Errors
    /// When there is no key.
    pub(crate) fn sign(&self, address: Address, hash: &B256) -> Result<Signature, RpcError> {
        sign(self.signers.get(&address).ok_or_else(|| unknown(address))?, hash)
    }
}

fn sign(signer: &PrivateKeySigner, hash: &B256) -> Result<Signature, RpcError> {
    signer.sign_hash_sync(hash).map_err(|error| RpcError::internal(format!("the key does not sign: {error}")))
}

fn unknown(address: Address) -> RpcError {
    RpcError::server(format!("unknown account: there is no key for {address}, and it is not impersonated"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sign_and_impersonated_accounts_do_not() {
        let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(1)).unwrap();
        let (own, other, hash) = (signer.address(), Address::repeat_byte(9), B256::repeat_byte(3));
        let accounts = DevAccounts::new([signer.clone(), signer]);
        assert_eq!(accounts.addresses(), [own]);
        let Sealed::Signed(signature) = accounts.seal(own, &hash).unwrap() else { panic!("there is a key") };
        assert_eq!(signature.recover_address_from_prehash(&hash).unwrap(), own);
        assert!(accounts.seal(other, &hash).unwrap_err().message.contains(&other.to_string()));
        accounts.impersonate(other).unwrap();
        assert_eq!(accounts.addresses(), [own, other]);
        let Sealed::Impersonated(signature) = accounts.seal(other, &hash).unwrap() else { panic!("there is no key") };
        assert!(signature.recover_address_from_prehash(&hash).is_err());
        assert!(accounts.sign(other, &hash).is_err(), "messages are signed by keys alone");
        assert!(accounts.stop_impersonating(&other) && !accounts.stop_impersonating(&other));
        assert!(accounts.seal(other, &hash).is_err());
        accounts.impersonate_everybody(true);
        assert!(accounts.seal(other, &hash).is_ok());
        assert!(matches!(accounts.seal(own, &hash), Ok(Sealed::Signed(_))));
        assert!(!format!("{accounts:?}").contains("0101"));
    }
}
