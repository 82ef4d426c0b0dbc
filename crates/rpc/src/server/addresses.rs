//! What each address has open and asks for.

use crate::limits::ServerLimits;
use governor::clock::DefaultClock;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts by address. Bounded: connections by their own bound, rates by forgetting those that are quiet again.
pub(crate) struct Addresses {
    open: Mutex<HashMap<IpAddr, usize>>,
    per_address_max: usize,
    rates: Option<RateLimiter<IpAddr, DashMapStateStore<IpAddr>, DefaultClock>>,
    burst: NonZeroU32,
}

/// One connection of an address.
pub(crate) struct OpenConnection {
    addresses: Arc<Addresses>,
    of: IpAddr,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let mut open = self.addresses.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.of) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.of);
            }
        }
    }
}

impl Addresses {
    /// With the bounds of a port.
    pub(crate) fn new(limits: &ServerLimits) -> Self {
        let quota = |rate| Quota::per_second(rate).allow_burst(limits.calls_burst);
        Self {
            open: Mutex::default(),
            per_address_max: limits.connections_per_address_max,
            rates: limits.calls_per_second.map(|rate| RateLimiter::keyed(quota(rate))),
            burst: limits.calls_burst,
        }
    }

    /// One more connection of an address, if it may have one more.
    pub(crate) fn open(self: &Arc<Self>, address: IpAddr) -> Option<OpenConnection> {
        let of = network(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(of).or_default();
        if *count >= self.per_address_max {
            return None;
        }
        *count += 1;
        Some(OpenConnection { addresses: Arc::clone(self), of })
    }

    /// Whether an address may make so many calls now.
    ///
    /// # Errors
    /// What it is told if not. Of calls that are more than a burst, that they never may come at once.
    pub(crate) fn may_call(&self, address: IpAddr, calls: impl FnOnce() -> u32) -> Result<(), String> {
        let Some(rates) = &self.rates else { return Ok(()) };
        let calls = NonZeroU32::new(calls()).unwrap_or(NonZeroU32::MIN);
        match rates.check_key_n(&network(address), calls) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err("too many calls from this address".to_owned()),
            Err(_) => Err(format!("{calls} calls at once from this address: at most {} are possible", self.burst)),
        }
    }

    /// Forgets addresses that were quiet for long enough.
    pub(crate) fn tidy(&self) {
        if let Some(rates) = &self.rates {
            rates.retain_recent();
        }
    }
}

/// What counts as one address: of IPv6, what one customer has.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_as_many_connections_as_it_may() {
        let limits = ServerLimits { connections_per_address_max: 2, ..ServerLimits::default() };
        let addresses = Arc::new(Addresses::new(&limits));
        let [first, second] = ["2001:db8::1", "2001:db8:0:1::1"].map(|text| text.parse::<IpAddr>().unwrap());
        let neighbour = "2001:db8::2".parse().unwrap();
        let one = addresses.open(first);
        let two = addresses.open(neighbour);
        assert!(one.is_some() && two.is_some() && addresses.open(first).is_none());
        assert!(addresses.open(second).is_some());
        drop(one);
        assert!(addresses.open(first).is_some());
        drop(two);
        assert!(addresses.open.lock().unwrap().is_empty());
    }

    #[test]
    fn an_address_calls_as_often_as_it_may() {
        let one = NonZeroU32::MIN;
        let limits = ServerLimits {
            calls_per_second: Some(one),
            calls_burst: NonZeroU32::new(3).unwrap(),
            ..ServerLimits::default()
        };
        let addresses = Addresses::new(&limits);
        let [first, second] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse::<IpAddr>().unwrap());
        let may = |address, calls| addresses.may_call(address, || calls);
        assert!(may(first, 2).is_ok() && may(first, 1).is_ok() && may(first, 1).is_err());
        // What can never come at once uses nothing up.
        assert!(may(second, 4).is_err_and(|words| words.contains("at most 3")));
        assert!(may(second, 3).is_ok() && may(second, 1).is_err());
        addresses.tidy();
        assert!(may("::ffff:10.0.0.1".parse().unwrap(), 1).is_err());
    }
}
