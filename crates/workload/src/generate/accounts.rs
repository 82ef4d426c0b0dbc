//! The people of a generated chain: accounts with secret keys.

use super::dice::seeded_hash;
use super::error::GenerateError;
use alloy_consensus::crypto::secp256k1::sign_message;
use alloy_primitives::{Address, B256, Signature};
use k256::ecdsa::SigningKey;

/// Accounts by position, with the nonce that each uses next.
#[derive(Clone, Debug)]
pub(super) struct Accounts {
    addresses: Vec<Address>,
    /// Empty when nothing is signed.
    secrets: Vec<B256>,
    nonces: Vec<u64>,
    /// The next account in turn.
    turn: usize,
}

impl Accounts {
    /// Accounts with secret keys: `keccak(label, seed, position)`.
    pub(super) fn with_keys(seed: u64, count: usize) -> Result<Self, GenerateError> {
        let mut secrets = Vec::with_capacity(count);
        let mut addresses = Vec::with_capacity(count);
        for account in 0..count {
            let secret = seeded_hash(seed, "motet secret key", account as u64);
            let key = SigningKey::from_slice(secret.as_slice()).map_err(|_| GenerateError::SecretKey { account })?;
            addresses.push(Address::from_private_key(&key));
            secrets.push(secret);
        }
        Ok(Self::new(addresses, secrets))
    }

    /// Accounts that nobody holds a key of; other addresses than those of [`Self::with_keys`].
    pub(super) fn without_keys(seed: u64, count: usize) -> Self {
        let address = |account| Address::from_word(seeded_hash(seed, "motet account", account as u64));
        Self::new((0..count).map(address).collect(), Vec::new())
    }

    fn new(addresses: Vec<Address>, secrets: Vec<B256>) -> Self {
        // Accounts of a living chain have histories of different lengths.
        let nonces = addresses.iter().map(|address| u64::from(address[0] % 64)).collect();
        Self { addresses, secrets, nonces, turn: 0 }
    }

    /// The same accounts, whose signatures are placeholders: to draw what they send before it is signed.
    pub(super) fn without_keys_at_hand(&self) -> Self {
        Self { secrets: Vec::new(), ..self.clone() }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.addresses.len()
    }

    /// The address of an account.
    pub(super) fn address(&self, account: usize) -> Address {
        self.addresses[account]
    }

    /// The nonce that the account uses next.
    pub(super) fn nonce(&self, account: usize) -> u64 {
        self.nonces[account]
    }

    /// The nonce of the account's next transaction, counted as used.
    pub(super) fn use_nonce(&mut self, account: usize) -> u64 {
        let nonce = self.nonces[account];
        self.nonces[account] += 1;
        nonce
    }

    /// The account whose turn it is: all of them once before any comes again.
    pub(super) fn next_in_turn(&mut self) -> usize {
        let account = self.turn;
        self.turn = (self.turn + 1) % self.addresses.len();
        account
    }

    /// Signs with the account's key; a placeholder (r = s = 1) without keys.
    pub(super) fn sign(&self, account: usize, hash: B256) -> Result<Signature, GenerateError> {
        match self.secrets.get(account) {
            None => Ok(Signature::from_scalars_and_parity(B256::with_last_byte(1), B256::with_last_byte(1), false)),
            Some(secret) => sign_message(*secret, hash).map_err(|_| GenerateError::SecretKey { account }),
        }
    }
}
