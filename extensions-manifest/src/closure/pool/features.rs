//! What rpm itself provides: `rpmlib(…)` features, as `rpm --showrc` lists them.

use crate::dependency::{Capability, Relation};

/// Features of rpm 4.16, which the oldest hosts with these payloads carry, and when rpm learned them. A package that
/// needs a newer one is refused, although libsolv would let it through: rpm could not unpack it as it is meant.
const FEATURES: [(&str, &str); 21] = [
    ("rpmlib(BuiltinLuaScripts)", "4.2.2-1"),
    ("rpmlib(CaretInVersions)", "4.15.0-1"),
    ("rpmlib(CompressedFileNames)", "3.0.4-1"),
    ("rpmlib(ConcurrentAccess)", "4.1-1"),
    ("rpmlib(DynamicBuildRequires)", "4.15.0-1"),
    ("rpmlib(ExplicitPackageProvide)", "4.0-1"),
    ("rpmlib(FileCaps)", "4.6.1-1"),
    ("rpmlib(FileDigests)", "4.6.0-1"),
    ("rpmlib(HeaderLoadSortsTags)", "4.0.1-1"),
    ("rpmlib(LargeFiles)", "4.12.0-1"),
    ("rpmlib(PartialHardlinkSets)", "4.0.4-1"),
    ("rpmlib(PayloadFilesHavePrefix)", "4.0-1"),
    ("rpmlib(PayloadIsBzip2)", "3.0.5-1"),
    ("rpmlib(PayloadIsLzma)", "4.4.2-1"),
    ("rpmlib(PayloadIsXz)", "5.2-1"),
    ("rpmlib(PayloadIsZstd)", "5.4.18-1"),
    ("rpmlib(RichDependencies)", "4.12.0-1"),
    ("rpmlib(ScriptletExpansion)", "4.9.0-1"),
    ("rpmlib(ScriptletInterpreterArgs)", "4.0.3-1"),
    ("rpmlib(TildeInVersions)", "4.10.0-1"),
    ("rpmlib(VersionedDependencies)", "3.0.3-1"),
];

/// Whether rpm has this feature.
pub(in crate::closure) fn known(wanted: &Capability) -> bool {
    let row = FEATURES.iter().find(|(name, _)| *name == wanted.name());
    let provide =
        row.and_then(|(name, version)| Capability::new(name, Some((Relation::Equal, version))).ok());
    provide.is_some_and(|provide| provide.meets(wanted))
}
