//! State tests: one transaction on a state, under several forks and choices of arguments.

use super::alloc::TestAlloc;
use super::error::{Fault, FieldError};
use super::json::Node;
use super::network::{UnknownNetwork, named_spec};
use super::tx_fields::{TransactionFault, TxFields, check_signers};
use alloy_consensus::{SignableTransaction, Transaction as _};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, U256};
use k256::ecdsa::SigningKey;
use motet_types::block::recover_transaction;
use motet_types::spec::fork_by_name;
use motet_types::{BlockHashes, ChainSpec, Fork, Transaction, TxIndex};

/// A state, a block environment, and what one transaction must make of them under each fork.
#[derive(Clone, Debug)]
pub struct StateTest {
    /// The state before the transaction.
    pub pre: TestAlloc,
    /// The block that the transaction runs in.
    pub env: StateEnv,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// One entry per fork and choice of arguments, forks in the order of their names.
    pub subtests: Vec<StateSubtest>,
}

/// The block environment of a state test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateEnv {
    /// Beneficiary.
    pub coinbase: Address,
    /// Difficulty, for forks before Paris.
    pub difficulty: U256,
    /// PREVRANDAO, from Paris on.
    pub random: Option<B256>,
    /// Gas limit of the block.
    pub gas_limit: u64,
    /// Block number.
    pub number: u64,
    /// Seconds since 1970.
    pub timestamp: u64,
    /// Base fee in wei, from London on.
    pub base_fee: Option<u64>,
    /// Excess blob gas, from Cancun on.
    pub excess_blob_gas: Option<u64>,
    /// Slot number, from Amsterdam on. EIP-7843.
    pub slot_number: Option<u64>,
    /// Hash of the parent.
    pub previous_hash: Option<B256>,
    /// Root of the parent beacon block. EIP-4788.
    pub parent_beacon_block_root: Option<B256>,
    /// Hashes of ancestors that the fixture states; those that it does not are keccak-256 of their decimal number by
    /// the custom of state tests.
    pub block_hashes: BlockHashes,
}

/// Which of the listed arguments a subtest takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateIndexes {
    /// Position in `data` and in `accessLists`.
    pub data: u64,
    /// Position in `gasLimit`.
    pub gas: u64,
    /// Position in `value`.
    pub value: u64,
}

/// One transaction under one fork.
#[derive(Clone, Debug)]
pub struct StateSubtest {
    /// The fork's name as the fixture has it.
    pub fork_name: String,
    /// The fork.
    pub fork: Fork,
    /// The fork's rules with the case's chain id and blob parameters.
    pub spec: ChainSpec,
    /// The arguments chosen.
    pub indexes: StateIndexes,
    /// The transaction, or why there can be none; that is right only where an exception is expected.
    pub transaction: Result<StateTransaction, TransactionFault>,
    /// What must come of it.
    pub expected: StateExpectation,
}

/// A transaction with who sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateTransaction {
    /// The transaction. Its signature is a placeholder when `signed` is false.
    pub transaction: Transaction,
    /// The sender.
    pub sender: Address,
    /// Signers of the authorizations, as the signatures say. EIP-7702.
    pub authorities: Vec<Option<Address>>,
    /// Whether the signature is the sender's.
    pub signed: bool,
}

/// What a subtest must end in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateExpectation {
    /// Root of the state after the transaction; the pre-state's when the transaction is refused.
    pub state_root: B256,
    /// keccak-256 of the RLP of the logs.
    pub logs_hash: B256,
    /// The exceptions that refuse the transaction, joined by `|`: any one of them is right.
    pub exception: Option<String>,
    /// The state behind `state_root`, in formats that list it.
    pub post: Option<TestAlloc>,
}

impl StateExpectation {
    /// The names in `exception`; none when the transaction is valid.
    pub fn exception_names(&self) -> impl Iterator<Item = &str> {
        self.exception.iter().flat_map(|names| names.split('|')).map(str::trim)
    }
}

impl StateTest {
    /// The test, and the names of the forks that it lists and that are not known.
    pub(super) fn parse(case: &Node<'_>) -> Result<(Self, Vec<String>), FieldError> {
        let config = case.optional("config")?;
        let transaction = case.field("transaction")?;
        let mut test = Self {
            pre: TestAlloc::parse(&case.field("pre")?)?,
            env: StateEnv::parse(&case.field("env")?)?,
            chain_id: config.as_ref().map_or(Ok(1), super::network::parse_chain_id)?,
            subtests: Vec::new(),
        };
        let mut unknown = Vec::new();
        for (name, posts) in case.field("post")?.entries()? {
            let Ok(fork) = fork_by_name(name) else {
                unknown.push(name.to_owned());
                continue;
            };
            let spec = match named_spec(name, config.as_ref())? {
                Ok(spec) => spec,
                Err(UnknownNetwork(name)) => {
                    unknown.push(name);
                    continue;
                }
            };
            for post in posts.items()? {
                let indexes = StateIndexes::parse(&post.field("indexes")?)?;
                test.subtests.push(StateSubtest {
                    fork_name: name.to_owned(),
                    fork,
                    spec: spec.clone(),
                    indexes,
                    transaction: soft(StateTransaction::parse(&transaction, &post, &indexes, &spec, fork))?,
                    expected: StateExpectation::parse(&post)?,
                });
            }
        }
        Ok((test, unknown))
    }
}

impl StateEnv {
    fn parse(node: &Node<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            coinbase: node.field("currentCoinbase")?.address()?,
            difficulty: node.optional_as("currentDifficulty", Node::u256)?.unwrap_or_default(),
            random: node.optional_as("currentRandom", Node::padded_b256)?,
            gas_limit: node.field("currentGasLimit")?.u64()?,
            number: node.field("currentNumber")?.u64()?,
            timestamp: node.field("currentTimestamp")?.u64()?,
            base_fee: node.optional_as("currentBaseFee", Node::u64)?,
            excess_blob_gas: node.optional_as("currentExcessBlobGas", Node::u64)?,
            slot_number: match node.optional_as("currentSlotNumber", Node::u64)? {
                Some(slot) => Some(slot),
                None => node.optional_as("slotNumber", Node::u64)?,
            },
            previous_hash: node.optional_as("previousHash", Node::b256)?,
            parent_beacon_block_root: match node.optional_as("currentBeaconRoot", Node::b256)? {
                Some(root) => Some(root),
                None => node.optional_as("parentBeaconBlockRoot", Node::b256)?,
            },
            block_hashes: node.optional_as("blockHashes", parse_block_hashes)?.unwrap_or_default(),
        })
    }
}

fn parse_block_hashes(node: &Node<'_>) -> Result<BlockHashes, FieldError> {
    let mut hashes = BlockHashes::new();
    for (key, hash) in node.entries()? {
        let number = match key.parse() {
            Ok(number) => number,
            Err(_) => hash.key_u64()?,
        };
        hashes.insert(number, hash.b256()?);
    }
    Ok(hashes)
}

impl StateIndexes {
    fn parse(node: &Node<'_>) -> Result<Self, FieldError> {
        let index = |key: &str| -> Result<u64, FieldError> {
            let node = node.field(key)?;
            let index = node.integer()?;
            u64::try_from(index).map_err(|_| node.fault(Fault::Type { expected: "a position", found: "negative" }))
        };
        Ok(Self { data: index("data")?, gas: index("gas")?, value: index("value")? })
    }
}

impl StateExpectation {
    fn parse(post: &Node<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            state_root: post.field("hash")?.b256()?,
            logs_hash: post.field("logs")?.b256()?,
            exception: post.optional_as("expectException", |node| node.text().map(str::to_owned))?,
            post: post.optional_as("state", TestAlloc::parse)?,
        })
    }
}

/// Why there is no transaction: the fixture is malformed, or the transaction is impossible on purpose.
enum NoTransaction {
    Malformed(FieldError),
    Impossible(TransactionFault),
}

impl From<FieldError> for NoTransaction {
    fn from(error: FieldError) -> Self {
        if error.fault.is_unrepresentable() {
            Self::Impossible(TransactionFault::Field(error))
        } else {
            Self::Malformed(error)
        }
    }
}

impl From<TransactionFault> for NoTransaction {
    fn from(fault: TransactionFault) -> Self {
        Self::Impossible(fault)
    }
}

fn soft<T>(result: Result<T, NoTransaction>) -> Result<Result<T, TransactionFault>, FieldError> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(NoTransaction::Impossible(fault)) => Ok(Err(fault)),
        Err(NoTransaction::Malformed(error)) => Err(error),
    }
}

impl StateTransaction {
    fn parse(
        node: &Node<'_>,
        post: &Node<'_>,
        indexes: &StateIndexes,
        spec: &ChainSpec,
        fork: Fork,
    ) -> Result<Self, NoTransaction> {
        let stated_sender = node.optional_as("sender", Node::address)?;
        let transaction = match post.optional_as("txbytes", Node::bytes)? {
            Some(bytes) => Self::from_bytes(&bytes, stated_sender)?,
            None => Self::from_fields(node, indexes, spec, fork, stated_sender)?,
        };
        check_signers(node, &transaction.authorities)?;
        Ok(transaction)
    }

    fn from_bytes(bytes: &Bytes, stated_sender: Option<Address>) -> Result<Self, TransactionFault> {
        let transaction = Transaction::decode_2718_exact(bytes).map_err(TransactionFault::Encoding)?;
        let (sender, authorities) =
            recover_transaction(TxIndex(0), &transaction).map_err(|_| TransactionFault::Signature)?;
        match stated_sender {
            Some(stated) if stated != sender => Err(TransactionFault::Sender { recovered: sender, stated }),
            _ => Ok(Self { transaction, sender, authorities, signed: true }),
        }
    }

    fn from_fields(
        node: &Node<'_>,
        indexes: &StateIndexes,
        spec: &ChainSpec,
        fork: Fork,
        stated_sender: Option<Address>,
    ) -> Result<Self, NoTransaction> {
        // EIP-155 came with Spurious Dragon; typed transactions, which always name the chain, came later.
        let chain_id = (fork >= Fork::SpuriousDragon).then_some(spec.chain_id);
        let unsigned = TxFields::parse_chosen(node, indexes)?.build(chain_id)?;
        let key = match node.optional_as("secretKey", Node::padded_b256)? {
            Some(key) => Some(SigningKey::from_slice(key.as_slice()).map_err(|_| TransactionFault::SecretKey)?),
            None => None,
        };
        let key_address = key.as_ref().map(Address::from_private_key);
        let sender = stated_sender.or(key_address).ok_or(TransactionFault::NoSender)?;
        let signature = match key {
            Some(key) if key_address == Some(sender) => key
                .sign_prehash_recoverable(unsigned.signature_hash().as_slice())
                .map(Signature::from)
                .map_err(|_| TransactionFault::SecretKey)?,
            _ => placeholder_signature(),
        };
        let transaction = unsigned.into_envelope(signature);
        let authorities = transaction
            .authorization_list()
            .map(|list| list.iter().map(|signed| signed.recover_authority().ok()).collect())
            .unwrap_or_default();
        Ok(Self { transaction, sender, authorities, signed: key_address == Some(sender) })
    }
}

/// A signature that is well-formed and nobody's.
fn placeholder_signature() -> Signature {
    Signature::new(U256::ONE, U256::ONE, false)
}
