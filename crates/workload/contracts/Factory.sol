// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Savings box of one owner: what the factory deploys.
contract Vault {
    address public owner;
    uint256 public openedAt;
    mapping(address => uint256) public paidIn;

    event Withdrawn(address indexed to, uint256 amount);

    error NotOwner(address caller);
    error PaymentFailed();

    constructor(address holder) payable {
        owner = holder;
        openedAt = block.number;
    }

    receive() external payable {
        paidIn[msg.sender] += msg.value;
    }

    function withdraw(address payable to, uint256 amount) external {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        (bool paid,) = to.call{value: amount}("");
        if (!paid) revert PaymentFailed();
        emit Withdrawn(to, amount);
    }
}

/// @title Deploys vaults at addresses that follow from owner and salt (CREATE2).
/// @notice The count is one slot that every deployment writes.
contract Factory {
    uint256 public vaultCount;
    mapping(address => address) public lastVaultOf;

    event Deployed(address indexed owner, address vault, uint256 count);

    function deploy(bytes32 salt) external payable returns (address vault) {
        vault = address(new Vault{salt: keccak256(abi.encode(msg.sender, salt)), value: msg.value}(msg.sender));
        lastVaultOf[msg.sender] = vault;
        vaultCount += 1;
        emit Deployed(msg.sender, vault, vaultCount);
    }
}
