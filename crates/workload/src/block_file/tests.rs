//! Tests of the loaders: on files made here, on damaged ones, and on the shared fixtures.

mod damaged;
mod fixtures;
mod sample;
mod written;
