//! The clock of blocks.

use super::control;
use super::number::Number;
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::methods::Methods;

/// Latest time that a clock is set to, in seconds: 34,000 years from now. Blocks after it still find timestamps.
const SECONDS_MAX: u64 = 1 << 40;

/// Adds the methods.
pub(super) fn add_to(methods: &mut Methods) {
    for name in ["evm_increaseTime", "anvil_increaseTime"] {
        methods.add_quick(name, |ctx, args| {
            let more = i64::try_from(seconds(args.required("seconds")?)?).unwrap_or(i64::MAX);
            let producer = control::producer(ctx)?;
            let (wall, head) = (producer.wall_seconds(), ctx.reader().head().block().header.timestamp);
            producer.with_settings(|settings| {
                // The next block is to be so much later than the head, which may have run ahead of the clock.
                let mut clock = settings.clock;
                clock.catch_up(wall, head);
                let offset = clock.offset.checked_add(more).filter(|offset| offset.unsigned_abs() <= SECONDS_MAX);
                clock.offset = offset.ok_or_else(too_late)?;
                settings.clock = clock;
                Ok(clock.offset)
            })
        });
    }
    for name in ["evm_setTime", "anvil_setTime"] {
        methods.add_quick(name, |ctx, args| {
            let now = seconds(args.required("timestamp")?)?;
            let producer = control::producer(ctx)?;
            let wall = producer.wall_seconds();
            producer.with_settings(|settings| {
                let before = settings.clock.now(wall);
                settings.clock.set(wall, now);
                Ok(now.saturating_sub(before))
            })
        });
    }
    for name in ["evm_setNextBlockTimestamp", "anvil_setNextBlockTimestamp"] {
        methods.add_quick(name, |ctx, args| {
            let next = check_next(ctx, args.required("timestamp")?)?;
            control::producer(ctx)?.with_settings(|settings| settings.clock.next = Some(next));
            Ok(())
        });
    }
    for name in ["evm_setBlockTimestampInterval", "anvil_setBlockTimestampInterval"] {
        methods.add_quick(name, |ctx, args| {
            let interval = seconds(args.required("seconds")?)?;
            control::producer(ctx)?.with_settings(|settings| settings.clock.interval = Some(interval));
            Ok(())
        });
    }
    for name in ["evm_removeBlockTimestampInterval", "anvil_removeBlockTimestampInterval"] {
        methods.add_quick(name, |ctx, _| {
            Ok(control::producer(ctx)?.with_settings(|settings| settings.clock.interval.take().is_some()))
        });
    }
}

/// A time or a span in seconds.
///
/// # Errors
/// When it is beyond all bounds.
pub(super) fn seconds(number: Number) -> Result<u64, RpcError> {
    number.to_u64().filter(|seconds| *seconds <= SECONDS_MAX).ok_or_else(too_late)
}

fn too_late() -> RpcError {
    RpcError::params(format!("at most {SECONDS_MAX} seconds are possible"))
}

/// A timestamp for the next block.
///
/// # Errors
/// When it is not above the head's.
pub(super) fn check_next(ctx: &RpcContext, timestamp: Number) -> Result<u64, RpcError> {
    let (next, parent) = (seconds(timestamp)?, ctx.reader().head().block().header.timestamp);
    match next > parent {
        true => Ok(next),
        false => Err(RpcError::params(format!(
            "Timestamp {next} is lower than or equal to previous block's timestamp {parent}"
        ))),
    }
}
