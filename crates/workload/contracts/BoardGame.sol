// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Five in a row for two, on a board of 16 by 16.
/// @notice Games are independent of each other; inside a game every move needs the one before it.
contract BoardGame {
    struct Game {
        address first;
        address second;
        uint64 moveCount;
        /// One bit per cell.
        uint256 firstCells;
        uint256 secondCells;
    }

    mapping(uint256 => Game) public games;
    mapping(address => uint256) public rowsOf;

    event Moved(uint256 indexed game, address indexed player, uint8 cell, uint64 move);
    event FiveInARow(uint256 indexed game, address indexed player);

    error NotYourTurn(uint256 game, address player);
    error CellTaken(uint256 game, uint8 cell);

    function move(uint256 id, uint8 cell) external {
        Game storage game = games[id];
        uint64 count = game.moveCount;
        bool firstMoves = count % 2 == 0;
        if (msg.sender != (firstMoves ? game.first : game.second)) revert NotYourTurn(id, msg.sender);
        uint256 own = firstMoves ? game.firstCells : game.secondCells;
        uint256 bit = uint256(1) << cell;
        if ((game.firstCells | game.secondCells) & bit != 0) revert CellTaken(id, cell);
        own |= bit;
        if (firstMoves) game.firstCells = own;
        else game.secondCells = own;
        game.moveCount = count + 1;
        emit Moved(id, msg.sender, cell, count);
        if (longestRow(own, cell) >= 5) {
            rowsOf[msg.sender] += 1;
            emit FiveInARow(id, msg.sender);
        }
    }

    /// The longest row through a cell: across, down and along both diagonals.
    function longestRow(uint256 cells, uint8 cell) private pure returns (uint256 longest) {
        int256 x = int256(uint256(cell & 15));
        int256 y = int256(uint256(cell >> 4));
        int256[4] memory stepX = [int256(1), int256(0), int256(1), int256(1)];
        int256[4] memory stepY = [int256(0), int256(1), int256(1), int256(-1)];
        for (uint256 i = 0; i < 4; i++) {
            uint256 row =
                1 + ray(cells, x, y, stepX[i], stepY[i]) + ray(cells, x, y, -stepX[i], -stepY[i]);
            if (row > longest) longest = row;
        }
    }

    function ray(uint256 cells, int256 x, int256 y, int256 stepX, int256 stepY) private pure returns (uint256 cellCount) {
        unchecked {
            while (cellCount < 4) {
                x += stepX;
                y += stepY;
                if (x < 0 || x > 15 || y < 0 || y > 15) break;
                if (cells & (uint256(1) << uint256(y * 16 + x)) == 0) break;
                cellCount++;
            }
        }
    }
}
