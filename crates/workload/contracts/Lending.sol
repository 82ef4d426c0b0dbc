// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

interface IToken {
    function transfer(address to, uint256 value) external returns (bool);
    function transferFrom(address from, address to, uint256 value) external returns (bool);
}

/// @title Lending market of one token.
/// @notice Positions are kept per user, but totals and interest indices are shared: every action
/// writes a total, and the first action of a block writes the indices.
contract Lending {
    uint256 private constant ONE = 1e18;
    /// Interest per second at full use, in units of 1e-18 (about 10 % a year).
    uint256 private constant RATE = 3_170_979_198;
    /// Share of a deposit that may be borrowed, in per cent.
    uint256 private constant BORROW_PERCENT = 75;

    address public token;
    uint256 public supplyIndex;
    uint256 public borrowIndex;
    uint256 public lastAccrual;
    /// Totals and positions are divided by the index that was in force when they were made.
    uint256 public totalDeposits;
    uint256 public totalDebts;
    mapping(address => uint256) public depositOf;
    mapping(address => uint256) public debtOf;

    event Accrued(uint256 supplyIndex, uint256 borrowIndex);
    event Deposited(address indexed user, uint256 amount);
    event Borrowed(address indexed user, uint256 amount);
    event Repaid(address indexed user, uint256 amount);

    error TransferFailed();
    error CollateralTooLow(uint256 debt, uint256 limit);

    constructor(address asset) {
        token = asset;
        supplyIndex = ONE;
        borrowIndex = ONE;
        lastAccrual = block.timestamp;
    }

    function deposit(uint256 amount) external {
        accrue();
        uint256 scaled = (amount * ONE) / supplyIndex;
        depositOf[msg.sender] += scaled;
        totalDeposits += scaled;
        if (!IToken(token).transferFrom(msg.sender, address(this), amount)) revert TransferFailed();
        emit Deposited(msg.sender, amount);
    }

    function borrow(uint256 amount) external {
        accrue();
        uint256 scaled = (amount * ONE) / borrowIndex + 1;
        uint256 debt = debtOf[msg.sender] + scaled;
        uint256 owed = (debt * borrowIndex) / ONE;
        uint256 limit = (((depositOf[msg.sender] * supplyIndex) / ONE) * BORROW_PERCENT) / 100;
        if (owed > limit) revert CollateralTooLow(owed, limit);
        debtOf[msg.sender] = debt;
        totalDebts += scaled;
        if (!IToken(token).transfer(msg.sender, amount)) revert TransferFailed();
        emit Borrowed(msg.sender, amount);
    }

    function repay(uint256 amount) external {
        accrue();
        uint256 debt = debtOf[msg.sender];
        uint256 scaled = (amount * ONE) / borrowIndex;
        if (scaled > debt) scaled = debt;
        debtOf[msg.sender] = debt - scaled;
        totalDebts -= scaled;
        if (!IToken(token).transferFrom(msg.sender, address(this), amount)) revert TransferFailed();
        emit Repaid(msg.sender, amount);
    }

    function accrue() private {
        uint256 elapsed = block.timestamp - lastAccrual;
        if (elapsed == 0) return;
        lastAccrual = block.timestamp;
        if (totalDeposits == 0) return;
        uint256 used = (totalDebts * borrowIndex) / totalDeposits;
        uint256 rate = (RATE * used) / ONE;
        borrowIndex += (borrowIndex * rate * elapsed) / ONE;
        supplyIndex += (((supplyIndex * rate) / ONE) * used * elapsed) / ONE;
        emit Accrued(supplyIndex, borrowIndex);
    }
}
