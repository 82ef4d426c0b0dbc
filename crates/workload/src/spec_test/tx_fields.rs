//! Transactions from their JSON fields.
//!
//! State tests list `data`, `gasLimit`, `value` and `accessLists` to choose from; blocks give one of each. The
//! type is what the fields say: authorizations make type 4, blobs 3, a maximum fee 2, an access list 1.

use super::error::{Fault, FieldError};
use super::json::Node;
use super::state::StateIndexes;
use alloy_consensus::{EthereumTypedTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy};
use alloy_eips::eip2718::Eip2718Error;
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};

/// Why a test's transaction cannot be written as a transaction at all.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TransactionFault {
    /// A field holds a number that the field's type cannot.
    #[error(transparent)]
    Field(FieldError),
    /// Encoded bytes that do not decode.
    #[error("txbytes do not decode: {0}")]
    Encoding(Eip2718Error),
    /// Blob and set-code transactions must have a recipient.
    #[error("a transaction of type {0} without recipient")]
    NoRecipient(u8),
    /// Neither a gas price nor the fees of EIP-1559.
    #[error("no gas price")]
    NoGasPrice,
    /// The signature recovers to nobody.
    #[error("the signature recovers to no sender")]
    Signature,
    /// The signature recovers to another sender than the one stated.
    #[error("the signature recovers to {recovered}, stated is {stated}")]
    Sender {
        /// By the signature.
        recovered: Address,
        /// By the fixture.
        stated: Address,
    },
    /// A secret key that is none.
    #[error("the secret key is not a scalar of secp256k1")]
    SecretKey,
    /// Nothing says who sends the transaction.
    #[error("neither sender, secret key nor signature")]
    NoSender,
}

/// A transaction without signature, before its type is known.
#[derive(Clone, Debug)]
pub(super) struct TxFields {
    nonce: u64,
    gas_limit: u64,
    gas_price: Option<u128>,
    max_fee_per_gas: Option<u128>,
    max_priority_fee_per_gas: Option<u128>,
    max_fee_per_blob_gas: Option<u128>,
    to: TxKind,
    value: U256,
    input: Bytes,
    access_list: Option<AccessList>,
    blob_versioned_hashes: Option<Vec<B256>>,
    authorization_list: Option<Vec<SignedAuthorization>>,
}

impl TxFields {
    /// The transaction of a state test that `indexes` choose.
    pub(super) fn parse_chosen(node: &Node<'_>, indexes: &StateIndexes) -> Result<Self, FieldError> {
        let (data, gas_limit, value) = (node.field("data")?, node.field("gasLimit")?, node.field("value")?);
        let access_list = match node.optional("accessLists")? {
            Some(lists) => {
                let list = lists.item(indexes.data)?;
                if list.is_null() { None } else { Some(parse_access_list(&list)?) }
            }
            None => None,
        };
        Self::parse(
            node,
            &data.item(indexes.data)?,
            &gas_limit.item(indexes.gas)?,
            &value.item(indexes.value)?,
            access_list,
        )
    }

    /// The transaction of a block.
    pub(super) fn parse_single(node: &Node<'_>) -> Result<Self, FieldError> {
        let access_list = node.optional_as("accessList", parse_access_list)?;
        Self::parse(node, &node.field("data")?, &node.field("gasLimit")?, &node.field("value")?, access_list)
    }

    fn parse(
        node: &Node<'_>,
        data: &Node<'_>,
        gas_limit: &Node<'_>,
        value: &Node<'_>,
        access_list: Option<AccessList>,
    ) -> Result<Self, FieldError> {
        Ok(Self {
            nonce: node.field("nonce")?.u64()?,
            gas_limit: gas_limit.u64()?,
            gas_price: node.optional_as("gasPrice", Node::u128)?,
            max_fee_per_gas: node.optional_as("maxFeePerGas", Node::u128)?,
            max_priority_fee_per_gas: node.optional_as("maxPriorityFeePerGas", Node::u128)?,
            max_fee_per_blob_gas: node.optional_as("maxFeePerBlobGas", Node::u128)?,
            to: node.optional_as("to", Node::recipient)?.unwrap_or(TxKind::Create),
            value: value.u256()?,
            input: data.bytes()?,
            access_list,
            blob_versioned_hashes: node.optional_as("blobVersionedHashes", |list| list.list(Node::b256))?,
            authorization_list: node.optional_as("authorizationList", |list| list.list(parse_authorization))?,
        })
    }

    /// The transaction of the type that the fields make. `chain_id` is `None` for an unprotected legacy one.
    pub(super) fn build(self, chain_id: Option<u64>) -> Result<EthereumTypedTransaction<TxEip4844>, TransactionFault> {
        let typed_chain_id = chain_id.unwrap_or(1);
        let (nonce, gas_limit, value, input) = (self.nonce, self.gas_limit, self.value, self.input);
        let access_list = self.access_list.clone().unwrap_or_default();
        let blobs = self.blob_versioned_hashes.is_some() || self.max_fee_per_blob_gas.is_some();
        if self.authorization_list.is_none() && !blobs && self.max_fee_per_gas.is_none() {
            let gas_price = self.gas_price.ok_or(TransactionFault::NoGasPrice)?;
            let to = self.to;
            return Ok(match self.access_list {
                Some(access_list) => EthereumTypedTransaction::Eip2930(TxEip2930 {
                    chain_id: typed_chain_id,
                    nonce,
                    gas_price,
                    gas_limit,
                    to,
                    value,
                    access_list,
                    input,
                }),
                None => EthereumTypedTransaction::Legacy(TxLegacy {
                    chain_id,
                    nonce,
                    gas_price,
                    gas_limit,
                    to,
                    value,
                    input,
                }),
            });
        }
        let max_fee_per_gas = self.max_fee_per_gas.ok_or(TransactionFault::NoGasPrice)?;
        let max_priority_fee_per_gas = self.max_priority_fee_per_gas.ok_or(TransactionFault::NoGasPrice)?;
        let recipient = |kind: u8| self.to.to().copied().ok_or(TransactionFault::NoRecipient(kind));
        Ok(if let Some(authorization_list) = self.authorization_list {
            EthereumTypedTransaction::Eip7702(TxEip7702 {
                chain_id: typed_chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas,
                max_priority_fee_per_gas,
                to: recipient(4)?,
                value,
                access_list,
                authorization_list,
                input,
            })
        } else if blobs {
            EthereumTypedTransaction::Eip4844(TxEip4844 {
                chain_id: typed_chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas,
                max_priority_fee_per_gas,
                to: recipient(3)?,
                value,
                access_list,
                blob_versioned_hashes: self.blob_versioned_hashes.unwrap_or_default(),
                max_fee_per_blob_gas: self.max_fee_per_blob_gas.unwrap_or_default(),
                input,
            })
        } else {
            EthereumTypedTransaction::Eip1559(TxEip1559 {
                chain_id: typed_chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas,
                max_priority_fee_per_gas,
                to: self.to,
                value,
                access_list,
                input,
            })
        })
    }
}

/// The signature in `v`, `r`, `s`, and the chain id that it protects: of EIP-155 for a legacy transaction, as
/// stated for a typed one.
pub(super) fn parse_signature(node: &Node<'_>) -> Result<(Signature, Option<u64>), FieldError> {
    let v_node = node.field("v")?;
    let v = v_node.u64()?;
    let (odd_y, chain_id) = match v {
        0 | 1 => (v == 1, node.optional_as("chainId", Node::u64)?),
        27 | 28 => (v == 28, None),
        35.. => ((v - 35) % 2 == 1, Some((v - 35) / 2)),
        _ => return Err(v_node.fault(Fault::Transaction("v is neither a parity, 27, 28 nor of EIP-155"))),
    };
    Ok((Signature::new(node.field("r")?.u256()?, node.field("s")?.u256()?, odd_y), chain_id))
}

fn parse_access_list(node: &Node<'_>) -> Result<AccessList, FieldError> {
    let items = node.list(|item| {
        Ok(AccessListItem {
            address: item.field("address")?.address()?,
            storage_keys: item.field("storageKeys")?.list(Node::b256)?,
        })
    })?;
    Ok(AccessList(items))
}

fn parse_authorization(node: &Node<'_>) -> Result<SignedAuthorization, FieldError> {
    let authorization = Authorization {
        chain_id: node.field("chainId")?.u256()?,
        address: node.field("address")?.address()?,
        nonce: node.field("nonce")?.u64()?,
    };
    let y_parity = match node.optional_as("yParity", Node::u8)? {
        Some(y_parity) => y_parity,
        None => node.field("v")?.u8()?,
    };
    let (r, s) = (node.field("r")?.u256()?, node.field("s")?.u256()?);
    Ok(SignedAuthorization::new_unchecked(authorization, y_parity, r, s))
}

/// Checks recovered authorities against the signers that the fixture names.
///
/// A signature that is invalid on purpose recovers to nobody, while the fixture may still name who made it.
pub(super) fn check_signers(node: &Node<'_>, authorities: &[Option<Address>]) -> Result<(), FieldError> {
    let Some(list) = node.optional("authorizationList")? else { return Ok(()) };
    for (authorization, authority) in list.items()?.zip(authorities) {
        if let (Some(signer), Some(authority)) = (authorization.optional("signer")?, authority)
            && signer.address()? != *authority
        {
            return Err(signer.fault(Fault::Signer));
        }
    }
    Ok(())
}
