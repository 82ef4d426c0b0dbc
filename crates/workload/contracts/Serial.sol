// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title A value that is needed first and published last.
/// @notice Hostile: the whole of every call depends on the end of the call before it, so that no
/// schedule is faster than one thread.
contract Serial {
    uint256 public last;

    function step(uint256 rounds) external {
        uint256 value = last;
        for (uint256 i = 0; i < rounds; i++) {
            // In scratch memory, so that the cost stays linear in the rounds.
            assembly ("memory-safe") {
                mstore(0, value)
                mstore(32, i)
                value := keccak256(0, 64)
            }
        }
        last = value;
    }
}
