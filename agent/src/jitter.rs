//! Chance in waiting times, as a function of a number: what many nodes were told at one moment they should not all do at
//! one moment. Pure.

use std::time::Duration;

/// Hundredths of a percent in the whole: fine enough that a thousand nodes fall on many moments.
const WHOLE: u32 = 100 * 100;

/// `time` times a percentage between `least` and `least + spread`, chosen by `seed`.
pub fn scaled(time: Duration, least: u32, spread: u32, seed: u64) -> Duration {
    let chosen = u32::try_from(mixed(seed) % (u64::from(spread) * 100 + 1)).unwrap_or(0);
    time.saturating_mul(least.saturating_mul(100).saturating_add(chosen)) / WHOLE
}

/// SplitMix64: neighbouring seeds give unrelated numbers.
fn mixed(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
