// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import "@openzeppelin/contracts/token/ERC721/extensions/ERC721Enumerable.sol";
import "@openzeppelin/contracts/token/ERC721/utils/ERC721Holder.sol";

/// @title A collectible as most are written.
contract Badge is ERC721Enumerable {
    uint256 public next;

    constructor() ERC721("Badge", "BDG") {}

    function award(address to) external returns (uint256 id) {
        id = next++;
        _safeMint(to, id);
    }
}

/// @title A contract that takes collectibles.
contract Cabinet is ERC721Holder {}
