//! Every bound on what comes from outside, in one place, each with the reason for its size.

/// Longest extension name, in bytes: a DNS label, so that a name fits a label value everywhere.
pub const EXTENSION_NAME_BYTES: usize = 63;
/// Longest package name, in bytes; the longest in Fedora is under 100.
pub const PACKAGE_NAME_BYTES: usize = 255;
/// Longest version, release or architecture, in bytes.
pub const VERSION_BYTES: usize = 255;
/// Most extensions in one list.
pub const EXTENSIONS: usize = 64;
/// Most extensions one payload may offer.
pub const OFFERED_EXTENSIONS: usize = 256;
/// Most packages one extension may name.
pub const PACKAGES_PER_EXTENSION: usize = 256;
/// Most RPMs in one payload.
pub const PAYLOAD_PACKAGES: usize = 4_096;
/// Most provides, requires, conflicts or obsoletes of one package (kernel modules have thousands of provides).
pub const DEPENDENCIES_PER_PACKAGE: usize = 100_000;
/// Longest dependency string, in bytes.
pub const DEPENDENCY_BYTES: usize = 4_096;
/// Deepest nesting of a rich dependency.
pub const RICH_DEPTH: usize = 16;
/// Largest extension map, in bytes.
pub const MAP_BYTES: usize = 1 << 20;
/// Most values in an extension map, nested ones included; the map of a release has a few hundred.
pub const MAP_VALUES: usize = 65_536;
/// Longest package spec of a map, in bytes: a name, a version and a release.
pub const SPEC_BYTES: usize = 1_024;
/// Most steps that finding one closure may take. Real extensions take a few thousand; all
/// packages of a full payload at once take about a million.
pub const CLOSURE_STEPS: u64 = 20_000_000;
/// Most near misses named for one unmet requirement.
pub const NEAR_MISSES: usize = 8;
