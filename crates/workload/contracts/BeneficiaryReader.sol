// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Observes the balance that every transaction pays its fee to.
/// @notice Hostile: fees cannot be added up without order any more once somebody looks at the sum.
contract BeneficiaryReader {
    mapping(address => uint256) public seen;

    function look() external {
        seen[msg.sender] = block.coinbase.balance;
    }
}
