// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Consent to read health records, and the log of who read them.
/// @notice Everything hangs on nested mappings: patients are independent of each other, and reads of
/// one patient's records are a chain through the length of that patient's log.
contract HealthConsent {
    struct Grant {
        uint64 until;
        uint32 scope;
        uint32 readCount;
    }

    struct Access {
        address provider;
        uint64 readAt;
        bytes32 record;
    }

    mapping(address => mapping(address => Grant)) public grants;
    mapping(address => uint256) public accessCount;
    mapping(address => mapping(uint256 => Access)) public accessLog;

    event Granted(address indexed patient, address indexed provider, uint32 scope, uint64 until);
    event Revoked(address indexed patient, address indexed provider);
    event Accessed(address indexed patient, address indexed provider, bytes32 record, uint256 entry);

    error NoConsent(address patient, address provider, uint32 scope);

    function grant(address provider, uint32 scope, uint64 until) external {
        Grant storage held = grants[msg.sender][provider];
        held.until = until;
        held.scope = scope;
        emit Granted(msg.sender, provider, scope, until);
    }

    function revoke(address provider) external {
        delete grants[msg.sender][provider];
        emit Revoked(msg.sender, provider);
    }

    function read(address patient, bytes32 record, uint32 scope) external {
        Grant storage held = grants[patient][msg.sender];
        if (held.until < block.timestamp || held.scope & scope != scope) {
            revert NoConsent(patient, msg.sender, scope);
        }
        held.readCount += 1;
        uint256 entry = accessCount[patient];
        accessCount[patient] = entry + 1;
        accessLog[patient][entry] = Access(msg.sender, uint64(block.timestamp), record);
        emit Accessed(patient, msg.sender, record, entry);
    }
}
