//! Ommers: headers that lost the race, included for a reward before Paris.

use super::{BlockError, ParentHeader, validate_header};
use alloy_consensus::Header;
use alloy_primitives::{B256, U256};
use motet_types::ChainSpec;
use std::collections::BTreeSet;

/// Most ommers of a block. Yellow Paper, section 11.1.
pub const OMMERS_MAX: usize = 2;

/// How many ancestors [`validate_ommers`] looks at. An ommer is at most six generations older than the
/// block (Yellow Paper, section 11.1), so its parent is at most the seventh ancestor.
pub const OMMER_ANCESTORS: usize = 7;

/// An ancestor of a block, as far as ommers are concerned.
#[derive(Clone, Copy, Debug)]
pub struct Ancestor<'a> {
    /// Hash of the header.
    pub hash: B256,
    /// The header.
    pub header: &'a Header,
    /// Hashes of the ommers that it includes.
    pub ommers: &'a [B256],
}

/// Checks the ommers of a block before Paris.
///
/// `ancestors` are the block's, its parent first, at least [`OMMER_ANCESTORS`] of them or as many as
/// there are; `total_difficulty` is the parent's.
///
/// # Errors
/// Names the first ommer that breaks a rule.
pub fn validate_ommers(
    ommers: &[Header],
    ancestors: &[Ancestor<'_>],
    spec: &ChainSpec,
    total_difficulty: Option<U256>,
) -> Result<(), BlockError> {
    if ommers.is_empty() {
        return Ok(());
    }
    if ommers.len() > OMMERS_MAX {
        return Err(BlockError::TooManyOmmers { count: ommers.len() });
    }
    let ancestors = &ancestors[..ancestors.len().min(OMMER_ANCESTORS)];
    let mut seen = BTreeSet::new();
    for (ommer, header) in ommers.iter().enumerate() {
        let hash = header.hash_slow();
        if !seen.insert(hash) {
            return Err(BlockError::OmmerTwice { ommer });
        }
        if ancestors.iter().any(|ancestor| ancestor.ommers.contains(&hash)) {
            return Err(BlockError::OmmerAlreadyIncluded { ommer });
        }
        if ancestors.iter().any(|ancestor| ancestor.hash == hash) {
            return Err(BlockError::OmmerIsAncestor { ommer });
        }
        let parent_hash = header.parent_hash;
        let parent = match ancestors.iter().position(|ancestor| ancestor.hash == parent_hash) {
            Some(0) => return Err(BlockError::OmmerIsSibling { ommer }),
            Some(generation) => &ancestors[generation],
            None => return Err(BlockError::OmmerParent { ommer, parent_hash }),
        };
        // Before Paris all total difficulties are below the terminal one, so the block's own parent stands
        // for the ommer's.
        let parent = ParentHeader { hash: parent.hash, header: parent.header, total_difficulty };
        validate_header(header, &parent, spec)
            .map_err(|error| BlockError::OmmerHeader { ommer, error: Box::new(error) })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::next_difficulty;
    use motet_types::Fork;

    /// A chain of `len` valid headers, oldest first.
    fn chain(len: usize) -> Vec<Header> {
        let genesis = Header { gas_limit: 5000, difficulty: U256::from(1 << 20), ..Header::default() };
        let mut headers = vec![genesis];
        while headers.len() < len {
            let next = child(&headers[headers.len() - 1], 15);
            headers.push(next);
        }
        headers
    }

    fn child(parent: &Header, seconds: u64) -> Header {
        let timestamp = parent.timestamp + seconds;
        Header {
            parent_hash: parent.hash_slow(),
            number: parent.number + 1,
            timestamp,
            gas_limit: parent.gas_limit,
            difficulty: next_difficulty(parent, timestamp, Fork::Frontier),
            ..Header::default()
        }
    }

    fn verdict(chain: &[Header], included: &[B256], ommers: &[Header]) -> Result<(), BlockError> {
        let ancestors: Vec<Ancestor<'_>> =
            chain.iter().rev().map(|header| Ancestor { hash: header.hash_slow(), header, ommers: included }).collect();
        validate_ommers(ommers, &ancestors, &ChainSpec::at_fork(1, Fork::Frontier), None)
    }

    #[test]
    fn ommers_reach_six_generations_back() {
        let chain = chain(10);
        for age in 1..=8 {
            // The block stands at height 10; an ommer of age 1 is a sibling of its parent at height 9.
            let parent = &chain[10 - age - 1];
            let ommer = child(parent, 20);
            let result = verdict(&chain, &[], std::slice::from_ref(&ommer));
            if age <= 6 {
                assert_eq!(result, Ok(()), "age {age}");
            } else {
                let error = BlockError::OmmerParent { ommer: 0, parent_hash: ommer.parent_hash };
                assert_eq!(result, Err(error), "age {age}");
            }
        }
    }

    #[test]
    fn every_rule_reports_its_own_variant() {
        use BlockError as E;
        let chain = chain(10);
        let ommer = |seconds| child(&chain[7], seconds);
        assert_eq!(verdict(&chain, &[], &[ommer(20), ommer(21)]), Ok(()));
        let three = [ommer(20), ommer(21), ommer(22)];
        assert_eq!(verdict(&chain, &[], &three), Err(E::TooManyOmmers { count: 3 }));
        assert_eq!(verdict(&chain, &[], &[ommer(20), ommer(20)]), Err(E::OmmerTwice { ommer: 1 }));
        let included = [ommer(20).hash_slow()];
        assert_eq!(verdict(&chain, &included, &[ommer(20)]), Err(E::OmmerAlreadyIncluded { ommer: 0 }));
        assert_eq!(verdict(&chain, &[], &[ommer(15)]), Err(E::OmmerIsAncestor { ommer: 0 }));
        assert_eq!(verdict(&chain, &[], &[child(&chain[9], 15)]), Err(E::OmmerIsSibling { ommer: 0 }));
        let wrong = Header { difficulty: U256::from(1), ..ommer(20) };
        let Err(E::OmmerHeader { ommer: 0, error }) = verdict(&chain, &[], &[wrong]) else {
            panic!("the header of the ommer is invalid");
        };
        assert!(matches!(*error, E::Difficulty { .. }));
    }
}
