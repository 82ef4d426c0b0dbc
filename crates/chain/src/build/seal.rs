//! A block built on the head.

use super::request::{BuildRequest, SealError, Sealed};
use crate::chain::Chain;
use crate::execution::Execute;
use crate::pool::Pool;

impl Chain {
    pub(crate) fn seal(
        &mut self,
        request: BuildRequest,
        pool: &Pool,
        executor: &mut dyn Execute,
        clock: fn() -> u64,
    ) -> Result<Sealed, SealError> {
        let _ = (request, pool, executor, clock);
        Err(SealError::NotYet)
    }
}
