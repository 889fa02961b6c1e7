//! Tidy as a test: what the style asks and no compiler checks.
//!
//! Each rule is a function from a path and a text to what is wrong there, so that each can prove on a bad sample that
//! it would notice. A rule that hurts is changed here, in the open, not worked around.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may stop where it stands")]

mod dependencies;
mod deploy;
mod imports;
mod layout;
mod monitoring;
mod sources;
mod tree;
mod words;
