// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import "../src/Probe.sol";

interface Vm {
    function startBroadcast() external;
    function stopBroadcast() external;
}

/// @title What `forge script --broadcast` sends: a creation, calls, and ether.
contract Deploy {
    Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    bool public IS_SCRIPT = true;

    function run() external returns (Probe probe) {
        vm.startBroadcast();
        probe = new Probe{value: 1 ether}(5, "by script");
        probe.store(6, "first");
        probe.store(7, "second");
        payable(address(probe)).transfer(1 gwei);
        probe.child(bytes32(uint256(1)));
        vm.stopBroadcast();
        require(probe.stored() == 7, "stored");
    }
}
