// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Work of any length without any conflict.
/// @notice Hostile when the longest call comes last: all other workers are idle by then.
contract HugeWork {
    mapping(address => uint256) public resultOf;

    function work(uint256 rounds, uint256 salt) external {
        uint256 value = salt;
        for (uint256 i = 0; i < rounds; i++) {
            // In scratch memory, so that the cost stays linear in the rounds.
            assembly ("memory-safe") {
                mstore(0, value)
                mstore(32, i)
                value := keccak256(0, 64)
            }
        }
        resultOf[msg.sender] = value;
    }
}
