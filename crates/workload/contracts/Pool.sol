// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

interface IToken {
    function balanceOf(address owner) external view returns (uint256);
    function transfer(address to, uint256 value) external returns (bool);
    function transferFrom(address from, address to, uint256 value) external returns (bool);
}

/// @title Constant-product pool of two tokens.
/// @notice Traders call it without a router. Every swap reads and writes the pool's reserves, so that
/// swaps in one pool are a chain while swaps in different pools meet only in the tokens' balances.
contract Pool {
    address public token0;
    address public token1;
    /// Both reserves and the time of the last swap share one slot.
    uint112 public reserve0;
    uint112 public reserve1;
    uint32 public lastSwap;
    /// Time-weighted price sums in 112-bit fixed point, written by the first swap of a block.
    uint256 public priceSum0;
    uint256 public priceSum1;
    uint256 private locked;

    event Swap(address indexed trader, bool zeroForOne, uint256 amountIn, uint256 amountOut, address indexed to);
    event Sync(uint112 reserve0, uint112 reserve1);

    error Locked();
    error OutputTooLow(uint256 amountOut, uint256 amountOutMin);
    error TransferFailed(address token);
    error ReserveOverflow(uint256 balance);
    error ProductFell();

    constructor(address first, address second) {
        token0 = first;
        token1 = second;
        locked = 1;
    }

    /// @notice Sells `amountIn` of one token for the other at a fee of 0.3 %.
    function swap(bool zeroForOne, uint256 amountIn, uint256 amountOutMin, address to)
        external
        returns (uint256 amountOut)
    {
        if (locked != 1) revert Locked();
        locked = 2;
        amountOut = quote(zeroForOne, amountIn);
        if (amountOut < amountOutMin) revert OutputTooLow(amountOut, amountOutMin);
        (address tokenIn, address tokenOut) = zeroForOne ? (token0, token1) : (token1, token0);
        if (!IToken(tokenIn).transferFrom(msg.sender, address(this), amountIn)) revert TransferFailed(tokenIn);
        if (!IToken(tokenOut).transfer(to, amountOut)) revert TransferFailed(tokenOut);
        update();
        emit Swap(msg.sender, zeroForOne, amountIn, amountOut, to);
        locked = 1;
    }

    function quote(bool zeroForOne, uint256 amountIn) private view returns (uint256) {
        (uint256 reserveIn, uint256 reserveOut) = zeroForOne ? (reserve0, reserve1) : (reserve1, reserve0);
        uint256 amountInAfterFee = amountIn * 997;
        return (amountInAfterFee * reserveOut) / (reserveIn * 1000 + amountInAfterFee);
    }

    function update() private {
        uint256 balance0 = IToken(token0).balanceOf(address(this));
        uint256 balance1 = IToken(token1).balanceOf(address(this));
        (uint256 before0, uint256 before1) = (reserve0, reserve1);
        if (balance0 * balance1 < before0 * before1) revert ProductFell();
        if (balance0 > type(uint112).max) revert ReserveOverflow(balance0);
        if (balance1 > type(uint112).max) revert ReserveOverflow(balance1);
        unchecked {
            // Both wrap on purpose: only differences of time and of price sums have a meaning.
            uint32 elapsed = uint32(block.timestamp) - lastSwap;
            if (elapsed > 0 && before0 != 0 && before1 != 0) {
                priceSum0 += ((before1 << 112) / before0) * elapsed;
                priceSum1 += ((before0 << 112) / before1) * elapsed;
            }
        }
        reserve0 = uint112(balance0);
        reserve1 = uint112(balance1);
        lastSwap = uint32(block.timestamp);
        emit Sync(uint112(balance0), uint112(balance1));
    }
}
