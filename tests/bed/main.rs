//! The bed is proved before anything is proved on it.

mod bus;
mod host;
mod images;
mod rpms;
mod traces;
