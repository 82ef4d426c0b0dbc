//! Sending as accounts without a key.

use super::control;
use crate::methods::Methods;
use alloy_primitives::Address;

/// Adds the methods.
pub(super) fn add_to(methods: &mut Methods) {
    for name in ["anvil_impersonateAccount", "hardhat_impersonateAccount"] {
        methods.add_quick(name, |ctx, args| control::of(ctx)?.accounts().impersonate(args.required("address")?));
    }
    for name in ["anvil_stopImpersonatingAccount", "hardhat_stopImpersonatingAccount"] {
        methods.add_quick(name, |ctx, args| {
            let address: Address = args.required("address")?;
            control::of(ctx)?.accounts().stop_impersonating(&address);
            Ok(())
        });
    }
    methods.add_quick("anvil_autoImpersonateAccount", |ctx, args| {
        control::of(ctx)?.accounts().impersonate_everybody(args.required("enabled")?);
        Ok(())
    });
}
