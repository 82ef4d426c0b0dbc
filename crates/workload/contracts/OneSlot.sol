// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title A counter that everybody increments.
/// @notice Hostile: short calls, all of them reading and writing one slot.
contract OneSlot {
    uint256 public count;

    function increment() external {
        unchecked {
            count += 1;
        }
    }
}
