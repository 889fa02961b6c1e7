//! The bed is proved before anything is proved on it.

mod host;
mod rpms;
