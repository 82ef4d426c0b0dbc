//! The Merkle Patricia trie of accounts and of their storage, with the roots that Ethereum defines.
