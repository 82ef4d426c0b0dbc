//! The contracts that the protocol itself calls in every block.
//!
//! Their code is part of the EIPs. It is written out here once more, and tests compare it with the
//! genesis files of public test chains: one published Rust copy of EIP-7251's has two bytes too many.

use super::genesis::Genesis;
use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy_eips::eip4788::BEACON_ROOTS_ADDRESS;
use alloy_eips::eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS;
use alloy_eips::eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS;
use alloy_primitives::{Address, Bytes, bytes};

/// Beacon roots. EIP-4788.
static BEACON_ROOTS_CODE: Bytes = bytes!(
    "0x3373fffffffffffffffffffffffffffffffffffffffe14604d57602036146024575f5ffd5b5f35801560495762001fff810690815414603c575f5ffd5b62001fff01545f5260205ff35b5f5ffd5b62001fff42064281555f359062001fff015500"
);
/// Hashes of ancestors. EIP-2935.
static HISTORY_STORAGE_CODE: Bytes = bytes!(
    "0x3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500"
);
/// Withdrawal requests. EIP-7002.
static WITHDRAWAL_REQUESTS_CODE: Bytes = bytes!(
    "0x3373fffffffffffffffffffffffffffffffffffffffe1460cb5760115f54807fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff146101f457600182026001905f5b5f82111560685781019083028483029004916001019190604d565b909390049250505036603814608857366101f457346101f4575f5260205ff35b34106101f457600154600101600155600354806003026004013381556001015f35815560010160203590553360601b5f5260385f601437604c5fa0600101600355005b6003546002548082038060101160df575060105b5f5b8181146101835782810160030260040181604c02815460601b8152601401816001015481526020019060020154807fffffffffffffffffffffffffffffffff00000000000000000000000000000000168252906010019060401c908160381c81600701538160301c81600601538160281c81600501538160201c81600401538160181c81600301538160101c81600201538160081c81600101535360010160e1565b910180921461019557906002556101a0565b90505f6002555f6003555b5f54807fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff14156101cd57505f5b6001546002828201116101e25750505f6101e8565b01600290035b5f555f600155604c025ff35b5f5ffd"
);
/// Consolidation requests. EIP-7251.
static CONSOLIDATION_REQUESTS_CODE: Bytes = bytes!(
    "0x3373fffffffffffffffffffffffffffffffffffffffe1460d35760115f54807fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff1461019a57600182026001905f5b5f82111560685781019083028483029004916001019190604d565b9093900492505050366060146088573661019a573461019a575f5260205ff35b341061019a57600154600101600155600354806004026004013381556001015f358155600101602035815560010160403590553360601b5f5260605f60143760745fa0600101600355005b6003546002548082038060021160e7575060025b5f5b8181146101295782810160040260040181607402815460601b815260140181600101548152602001816002015481526020019060030154905260010160e9565b910180921461013b5790600255610146565b90505f6002555f6003555b5f54807fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff141561017357505f5b6001546001828201116101885750505f61018e565b01600190035b5f555f6001556074025ff35b5f5ffd"
);

/// Addresses and codes of the contracts that the protocol itself calls, up to Osaka.
pub fn system_contracts() -> [(Address, &'static Bytes); 4] {
    [
        (BEACON_ROOTS_ADDRESS, &BEACON_ROOTS_CODE),
        (HISTORY_STORAGE_ADDRESS, &HISTORY_STORAGE_CODE),
        (WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, &WITHDRAWAL_REQUESTS_CODE),
        (CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, &CONSOLIDATION_REQUESTS_CODE),
    ]
}

/// Puts the system contracts into the pre-state.
pub(super) fn place_system_contracts(genesis: &mut Genesis) {
    for (address, code) in system_contracts() {
        genesis.place_code(address, code.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_genesis::Genesis as GenesisFile;
    use std::path::PathBuf;

    #[test]
    fn codes_are_those_of_two_public_test_chains() {
        let folder = std::env::var_os("MOTET_FIXTURES")
            .map(PathBuf::from)
            .unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures")));
        for file in ["rpc/genesis.json", "chains/geth-ethtest/genesis.json"] {
            let path = folder.join(file);
            let Ok(text) = std::fs::read_to_string(&path) else {
                #[expect(clippy::print_stderr, reason = "the only channel of a test")]
                {
                    eprintln!("skipped: {} is absent", path.display());
                }
                return;
            };
            let genesis: GenesisFile = serde_json::from_str(&text).expect("a genesis file");
            for (address, code) in system_contracts() {
                let theirs = genesis.alloc.get(&address).and_then(|account| account.code.as_ref());
                assert_eq!(theirs, Some(code), "{file}: {address}");
            }
        }
    }

    #[test]
    fn three_of_the_codes_are_those_of_alloy() {
        assert_eq!(BEACON_ROOTS_CODE, alloy_eips::eip4788::BEACON_ROOTS_CODE);
        assert_eq!(HISTORY_STORAGE_CODE, alloy_eips::eip2935::HISTORY_STORAGE_CODE);
        assert_eq!(WITHDRAWAL_REQUESTS_CODE, alloy_eips::eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE);
    }
}
