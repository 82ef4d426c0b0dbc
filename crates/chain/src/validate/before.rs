//! All that can be said of a block before it is executed.

use super::{
    Ancestor, BlockError, ParentHeader, validate_access_list, validate_body, validate_header, validate_ommers,
};
use alloy_eip7928::BlockAccessList;
use motet_types::{Block, BlockRules, ChainSpec};

/// Header, body, ommers and access list, in the order in which clients report what is wrong; gives the rules that are in
/// force in the block.
///
/// `ancestors` are the block's, its parent first, as [`validate_ommers`] wants them; they are not looked at where the block
/// has no ommers.
///
/// # Errors
/// Names the first rule that the block breaks.
pub fn validate_before_execution(
    block: &Block,
    access_list: Option<&BlockAccessList>,
    parent: &ParentHeader<'_>,
    ancestors: &[Ancestor<'_>],
    spec: &ChainSpec,
) -> Result<BlockRules, BlockError> {
    let rules = validate_header(&block.header, parent, spec)?;
    validate_body(block, &rules)?;
    validate_ommers(&block.body.ommers, ancestors, spec, parent.total_difficulty)?;
    if let Some(list) = access_list {
        validate_access_list(block, list, &rules)?;
    }
    Ok(rules)
}
