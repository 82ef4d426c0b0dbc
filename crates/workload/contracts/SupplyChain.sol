// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Custody of goods, handed over from one party to the next.
/// @notice Items are independent; warehouses that hold many items meet in their stock counts.
contract SupplyChain {
    struct Item {
        address custodian;
        uint32 handOverCount;
        uint64 movedAt;
        /// Hash chain over all hand-overs and inspections.
        bytes32 trail;
    }

    mapping(uint256 => Item) public items;
    mapping(address => uint256) public stockOf;

    event HandedOver(
        uint256 indexed item, address indexed from, address indexed to, bytes32 place, uint32 count, bytes32 trail
    );
    event Inspected(uint256 indexed item, address indexed custodian, bytes32 report, bytes32 trail);

    error NotCustodian(uint256 item, address caller);

    function handOver(uint256 id, address to, bytes32 place) external {
        Item storage item = items[id];
        if (item.custodian != msg.sender) revert NotCustodian(id, msg.sender);
        uint32 count = item.handOverCount + 1;
        bytes32 trail = keccak256(abi.encode(item.trail, msg.sender, to, place, block.timestamp));
        item.custodian = to;
        item.handOverCount = count;
        item.movedAt = uint64(block.timestamp);
        item.trail = trail;
        stockOf[msg.sender] -= 1;
        stockOf[to] += 1;
        emit HandedOver(id, msg.sender, to, place, count, trail);
    }

    function inspect(uint256 id, bytes32 report) external {
        Item storage item = items[id];
        if (item.custodian != msg.sender) revert NotCustodian(id, msg.sender);
        bytes32 trail = keccak256(abi.encode(item.trail, msg.sender, report));
        item.trail = trail;
        emit Inspected(id, msg.sender, report, trail);
    }
}
