//! What tests of blocks share, whatever form their blocks have.

use super::alloc::TestAlloc;
use super::error::FieldError;
use super::header::ExpectedHeader;
use super::json::Node;
use super::network::parse_spec;
use alloy_primitives::{B256, Bytes};
use motet_types::ChainSpec;

/// The chain that a test's blocks build on, and where it must end.
#[derive(Clone, Debug)]
pub struct TestChain {
    /// The network's name as the fixture has it.
    pub network: String,
    /// The rules that the name and the case's `config` stand for.
    pub spec: ChainSpec,
    /// Block 0.
    pub genesis: TestGenesis,
    /// The state of block 0.
    pub pre: TestAlloc,
    /// Hash of the head after all blocks were offered.
    pub last_block_hash: B256,
    /// The state of that head.
    pub post: PostState,
}

/// Block 0 of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestGenesis {
    /// The header and its stated hash.
    pub header: ExpectedHeader,
    /// The block's RLP, in formats that give it.
    pub rlp: Option<Bytes>,
}

/// The state that a test ends in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostState {
    /// Every account.
    Alloc(TestAlloc),
    /// Only its root, where the state is too large to list.
    Root(B256),
    /// Not stated; the head's header has the root.
    Unstated,
}

impl TestChain {
    pub(super) fn parse(case: &Node<'_>) -> Result<Self, FieldError> {
        let network = case.field("network")?;
        let config = case.optional("config")?;
        Ok(Self {
            network: network.text()?.to_owned(),
            spec: parse_spec(&network, config.as_ref())?,
            genesis: TestGenesis {
                header: ExpectedHeader::parse(&case.field("genesisBlockHeader")?)?,
                rlp: case.optional_as("genesisRLP", Node::bytes)?,
            },
            pre: TestAlloc::parse(&case.field("pre")?)?,
            last_block_hash: case.field("lastblockhash")?.b256()?,
            post: PostState::parse(case)?,
        })
    }
}

impl PostState {
    fn parse(case: &Node<'_>) -> Result<Self, FieldError> {
        if let Some(alloc) = case.optional_as("postState", TestAlloc::parse)? {
            return Ok(Self::Alloc(alloc));
        }
        Ok(case.optional_as("postStateHash", Node::b256)?.map_or(Self::Unstated, Self::Root))
    }
}
