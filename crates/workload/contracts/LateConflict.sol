// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Long work first, conflict last.
/// @notice Hostile: whoever runs these calls optimistically finds out at the very end of each that all
/// of the work has to be done again.
contract LateConflict {
    uint256 public shared;

    function run(uint256 rounds, uint256 salt) external {
        uint256 value = salt;
        for (uint256 i = 0; i < rounds; i++) {
            // In scratch memory, so that the cost stays linear in the rounds.
            assembly ("memory-safe") {
                mstore(0, value)
                mstore(32, i)
                value := keccak256(0, 64)
            }
        }
        unchecked {
            shared = shared + value;
        }
    }
}
