// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Collection of unique tokens, minted one after the other.
/// @notice The next id is one slot that every mint reads and writes: a mint rush is a chain, however
/// many people take part.
contract Collectible {
    uint256 public nextId;
    mapping(uint256 => address) public ownerOf;
    mapping(address => uint256) public balanceOf;
    mapping(uint256 => bytes32) public traitsOf;

    event Transfer(address indexed from, address indexed to, uint256 indexed id);

    error NoOwner();

    function mint(address to) external returns (uint256 id) {
        if (to == address(0)) revert NoOwner();
        id = nextId;
        nextId = id + 1;
        ownerOf[id] = to;
        traitsOf[id] = keccak256(abi.encode(id, to, block.prevrandao));
        unchecked {
            balanceOf[to] += 1;
        }
        emit Transfer(address(0), to, id);
    }
}
