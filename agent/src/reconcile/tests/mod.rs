//! Whole passes against a stand-in host in memory, and the loop around them.

mod crashes;
mod drift;
mod fake;
mod looping;
mod observing;
mod offer;
mod reboot;
mod releases;
mod stories;
