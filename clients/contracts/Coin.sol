// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import "@openzeppelin/contracts/access/Ownable.sol";

/// @title A token as most are written.
contract Coin is ERC20, ERC20Burnable, ERC20Permit, Ownable {
    constructor(address owner, uint256 supply) ERC20("Coin", "COIN") ERC20Permit("Coin") Ownable(owner) {
        _mint(owner, supply);
    }

    function mint(address to, uint256 value) external onlyOwner {
        _mint(to, value);
    }
}
