//! A state that answers until a request has had its time.

use crate::trace_base::TraceDeadline;
use alloy_primitives::Address;
use motet_chain::ChainView;
use motet_types::{Location, Read, StateView, Ticket, ViewError};
use std::task::{Poll, Waker};

/// A state with a deadline: what is executed over it ends with the first new account or slot that it reads afterwards.
#[derive(Debug)]
pub(crate) struct TimedView<'a> {
    pub(crate) view: &'a ChainView,
    pub(crate) deadline: TraceDeadline,
}

impl StateView for TimedView<'_> {
    fn read(&self, location: Location) -> Result<Read, ViewError> {
        match self.deadline.is_over() {
            true => Err(ViewError::new(location, "execution timeout")),
            false => self.view.read(location),
        }
    }

    fn has_storage(&self, address: Address) -> Result<bool, ViewError> {
        self.view.has_storage(address)
    }

    fn poll_ticket(&self, ticket: Ticket, waker: &Waker) -> Poll<()> {
        self.view.poll_ticket(ticket, waker)
    }

    fn is_ready(&self, ticket: Ticket) -> bool {
        self.view.is_ready(ticket)
    }

    fn prefetch(&self, locations: &[Location]) {
        self.view.prefetch(locations);
    }

    fn may_pend(&self) -> bool {
        self.view.may_pend()
    }
}
