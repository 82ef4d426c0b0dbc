// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @title What clients look at: storage, events, every way to fail, and what the block environment says.
contract Probe {
    uint256 public stored;
    string public name;
    mapping(address => uint256) public visits;

    event Stored(address indexed by, uint256 indexed value, string note);
    event Paid(address indexed by, uint256 value);
    event Bare(bytes payload);

    error Unwilling(address who, uint256 wanted, string why);

    constructor(uint256 first, string memory called) payable {
        stored = first;
        name = called;
        emit Stored(msg.sender, first, called);
    }

    receive() external payable {
        emit Paid(msg.sender, msg.value);
    }

    function store(uint256 value, string calldata note) external returns (uint256 before) {
        before = stored;
        stored = value;
        visits[msg.sender] += 1;
        emit Stored(msg.sender, value, note);
    }

    function many(uint256 count) external {
        for (uint256 i = 0; i < count; i++) emit Stored(msg.sender, i, "many");
        emit Bare(abi.encode(count));
    }

    function failWithText() external pure {
        revert("as asked");
    }

    function failWithError(uint256 wanted) external view {
        revert Unwilling(msg.sender, wanted, "never");
    }

    function failWithPanic(uint256 divisor) external pure returns (uint256) {
        return 1 / divisor;
    }

    function failWithNothing() external pure {
        assembly {
            revert(0, 0)
        }
    }

    function failWithGas() external pure {
        assembly {
            invalid()
        }
    }

    function burn(uint256 rounds) external returns (uint256 sum) {
        for (uint256 i = 0; i < rounds; i++) sum = uint256(keccak256(abi.encode(sum, i)));
        stored = sum;
    }

    function environment() external view returns (uint256, uint256, uint256, address, uint256) {
        return (block.chainid, block.number, block.gaslimit, block.coinbase, block.basefee);
    }

    function clock() external view returns (uint256) {
        return block.timestamp;
    }

    function child(bytes32 salt) external returns (Child made) {
        made = new Child{salt: salt}(stored);
    }

    function calls(Probe other, uint256 value) external returns (bool caught) {
        other.store(value, "from a contract");
        try other.failWithError(value) {
            caught = false;
        } catch {
            caught = true;
        }
    }
}

contract Child {
    uint256 public immutable seed;

    constructor(uint256 given) {
        seed = given;
    }
}
