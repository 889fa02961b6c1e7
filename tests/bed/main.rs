//! The bed is proved before anything is proved on it.

mod bus;
mod host;
mod rpms;
mod traces;
