//! Transaction tests: what one encoded transaction is worth under each fork.

use super::error::FieldError;
use super::json::Node;
use alloy_primitives::{Address, B256, Bytes};
use motet_types::Fork;
use motet_types::spec::fork_by_name;

/// One encoded transaction and the verdict of each fork on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionTest {
    /// The bytes; possibly no transaction at all.
    pub txbytes: Bytes,
    /// One verdict per fork, in the order of the forks' names.
    pub results: Vec<TransactionResult>,
}

/// The verdict of one fork.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionResult {
    /// The fork's name as the fixture has it.
    pub fork_name: String,
    /// The fork.
    pub fork: Fork,
    /// What a valid transaction is, or the exceptions that refuse it, joined by `|`.
    pub expected: Result<TransactionFacts, String>,
}

/// What is known of a valid transaction without any state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionFacts {
    /// Its hash.
    pub hash: B256,
    /// Its sender.
    pub sender: Address,
    /// Gas that it pays before it starts.
    pub intrinsic_gas: u64,
}

impl TransactionTest {
    /// The test, and the names of the forks that it lists and that are not known.
    pub(super) fn parse(case: &Node<'_>) -> Result<(Self, Vec<String>), FieldError> {
        let mut test = Self { txbytes: case.field("txbytes")?.bytes()?, results: Vec::new() };
        let mut unknown = Vec::new();
        for (name, result) in case.field("result")?.entries()? {
            match fork_by_name(name) {
                Ok(fork) => {
                    let expected = parse_expected(&result)?;
                    test.results.push(TransactionResult { fork_name: name.to_owned(), fork, expected });
                }
                Err(_) => unknown.push(name.to_owned()),
            }
        }
        Ok((test, unknown))
    }
}

fn parse_expected(node: &Node<'_>) -> Result<Result<TransactionFacts, String>, FieldError> {
    let intrinsic_gas = node.optional_as("intrinsicGas", Node::u64)?;
    if let Some(exception) = node.optional("exception")? {
        return Ok(Err(exception.text()?.to_owned()));
    }
    Ok(Ok(TransactionFacts {
        hash: node.field("hash")?.b256()?,
        sender: node.field("sender")?.address()?,
        intrinsic_gas: match intrinsic_gas {
            Some(gas) => gas,
            None => node.field("intrinsicGas")?.u64()?,
        },
    }))
}
