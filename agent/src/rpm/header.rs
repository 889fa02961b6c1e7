//! From guarded bytes to facts, through the `rpm` crate: the one file that knows it.
//!
//! Facts are read from the main header alone. Of the signature header only the digest of the main one is taken, and
//! that only to hold the main header against it.

use extensions_manifest::dependency::Relation;
use extensions_manifest::{
    Capability, Evr, ManifestError, Nevra, PackageFacts, Requirement, Sha256Digest, excerpt, limits,
};
use rpm::{DependencyFlags, Error, IndexSignatureTag, IndexTag, PackageMetadata};

use super::error::RpmError;
use super::slim::Shown;

/// Longest path of a file, in bytes, as Linux has it.
const PATH_BYTES: usize = 4096;
/// Most bytes of rich dependencies in one package. Each other byte may become a node of a tree; real packages have a
/// few hundred bytes of them.
const RICH_BYTES: usize = 64 << 10;
/// Most bytes that the paths, and again the dependencies, of one package may take in memory. A header names a directory
/// once for all files in it, so that a few bytes may stand for many. A kernel's own take about five MiB.
const TEXT_BYTES: usize = 8 << 20;
/// Roughly what one path or dependency takes beside its text.
const TEXT_OVERHEAD: usize = 40;
const DEPENDENCY_OVERHEAD: usize = 130;
/// `PGPHASHALGO_SHA256`, the only algorithm rpm has ever written beside the payload digest.
const SHA256: u32 = 8;

/// What the headers say: facts, and the digests that the bytes must have.
pub(super) struct Headers {
    pub(super) facts: PackageFacts,
    pub(super) installed_size: u64,
    pub(super) header_digest: Option<Sha256Digest>,
    pub(super) payload_digest: Option<Sha256Digest>,
}

/// Parses a head (lead, signature header, header) that the guard has let pass.
pub(super) fn parse(mut head: Shown) -> Result<Headers, RpmError> {
    let metadata = PackageMetadata::parse(&mut head).map_err(parsing)?;
    let arch = metadata.get_arch().map_err(parsing)?;
    if metadata.is_source_package() || matches!(arch, "src" | "nosrc") {
        return Err(RpmError::SourcePackage);
    }
    let system = metadata.header.get_entry_data_as_string(IndexTag::RPMTAG_OS).map_err(parsing)?;
    if system != "linux" {
        return Err(malformed(format!("it is for the system `{}`", excerpt(system))));
    }
    let nevra = nevra(&metadata, arch)?;
    check_weight(&metadata)?;
    Ok(Headers {
        header_digest: header_digest(&metadata)?,
        payload_digest: payload_digest(&metadata)?,
        installed_size: optional(metadata.get_installed_size())?.unwrap_or(0),
        facts: PackageFacts {
            provides: capabilities(&metadata, PROVIDES, &nevra)?,
            requires: requirements(&metadata, REQUIRES, &nevra)?,
            conflicts: requirements(&metadata, CONFLICTS, &nevra)?,
            obsoletes: capabilities(&metadata, OBSOLETES, &nevra)?,
            files: files(&metadata)?,
            nevra,
        },
    })
}

fn nevra(metadata: &PackageMetadata, arch: &str) -> Result<Nevra, RpmError> {
    let name = metadata.get_name().map_err(parsing)?;
    let epoch = optional(metadata.get_epoch())?.unwrap_or(0);
    let version = metadata.get_version().map_err(parsing)?;
    let release = metadata.get_release().map_err(parsing)?;
    let named = || Nevra::new(name.parse()?, Evr::new(epoch, version, release)?, arch);
    named().map_err(RpmError::Identity)
}

fn header_digest(metadata: &PackageMetadata) -> Result<Option<Sha256Digest>, RpmError> {
    let text = metadata.signature.get_entry_data_as_string(IndexSignatureTag::RPMSIGTAG_SHA256);
    optional(text)?.map(Sha256Digest::from_hex).transpose().map_err(RpmError::Identity)
}

fn payload_digest(metadata: &PackageMetadata) -> Result<Option<Sha256Digest>, RpmError> {
    let header = &metadata.header;
    let texts = optional(header.get_entry_data_as_string_array(IndexTag::RPMTAG_PAYLOADSHA256))?;
    let algorithm = optional(header.get_entry_data_as_u32(IndexTag::RPMTAG_PAYLOADSHA256ALGO))?;
    if algorithm.is_some_and(|algorithm| algorithm != SHA256) {
        return Err(malformed("its payload digest is not a SHA-256".to_owned()));
    }
    match texts.as_deref() {
        None => Ok(None),
        Some([text]) => Sha256Digest::from_hex(text).map(Some).map_err(RpmError::Identity),
        Some(_) => Err(malformed("it has more than one payload digest".to_owned())),
    }
}

/// Holds what the dependencies will take against its bound, before any of them is made.
fn check_weight(metadata: &PackageMetadata) -> Result<(), RpmError> {
    let mut bytes = 0;
    for [names, _, versions] in [PROVIDES, REQUIRES, CONFLICTS, OBSOLETES] {
        for (tag, overhead) in [(names, DEPENDENCY_OVERHEAD), (versions, 0)] {
            let texts = optional(metadata.header.get_entry_data_as_string_array(tag))?.unwrap_or_default();
            bytes += texts.iter().map(|text| text.len() + overhead).sum::<usize>();
        }
    }
    limit("bytes of all dependencies of one package", bytes, TEXT_BYTES)
}

/// One dependency as the header has it. The library's own list would be a second copy of all text.
struct Raw<'a> {
    name: &'a str,
    flags: DependencyFlags,
    version: &'a str,
}

/// Tags of names, flags and versions.
type Tags = [IndexTag; 3];

const PROVIDES: Tags =
    [IndexTag::RPMTAG_PROVIDENAME, IndexTag::RPMTAG_PROVIDEFLAGS, IndexTag::RPMTAG_PROVIDEVERSION];
const REQUIRES: Tags =
    [IndexTag::RPMTAG_REQUIRENAME, IndexTag::RPMTAG_REQUIREFLAGS, IndexTag::RPMTAG_REQUIREVERSION];
const CONFLICTS: Tags =
    [IndexTag::RPMTAG_CONFLICTNAME, IndexTag::RPMTAG_CONFLICTFLAGS, IndexTag::RPMTAG_CONFLICTVERSION];
const OBSOLETES: Tags =
    [IndexTag::RPMTAG_OBSOLETENAME, IndexTag::RPMTAG_OBSOLETEFLAGS, IndexTag::RPMTAG_OBSOLETEVERSION];

fn capabilities(metadata: &PackageMetadata, tags: Tags, nevra: &Nevra) -> Result<Vec<Capability>, RpmError> {
    let raw = dependencies(metadata, tags)?;
    raw.iter().map(|raw| capability(raw).map_err(|source| unreadable(nevra, source))).collect()
}

fn requirements(metadata: &PackageMetadata, tags: Tags, nevra: &Nevra) -> Result<Vec<Requirement>, RpmError> {
    let mut requirements = Vec::new();
    let mut rich_bytes = 0;
    for raw in dependencies(metadata, tags)? {
        // The way recommendations were written before rpm had a tag for them; rpm itself passes over these.
        if raw.flags.contains(DependencyFlags::MISSINGOK) {
            continue;
        }
        let read = if raw.name.starts_with('(') {
            rich_bytes += raw.name.len();
            limit("bytes of the rich dependencies of one package", rich_bytes, RICH_BYTES)?;
            Requirement::try_from(raw.name.to_owned())
        } else {
            capability(&raw).map(Requirement::Plain)
        };
        requirements.push(read.map_err(|source| unreadable(nevra, source))?);
    }
    Ok(requirements)
}

fn dependencies(
    metadata: &PackageMetadata,
    [names, flags, versions]: Tags,
) -> Result<Vec<Raw<'_>>, RpmError> {
    let header = &metadata.header;
    let names = optional(header.get_entry_data_as_string_array(names))?.unwrap_or_default();
    let flags = optional(header.get_entry_data_as_u32_array(flags))?.unwrap_or_default();
    let versions = optional(header.get_entry_data_as_string_array(versions))?.unwrap_or_default();
    limit("dependencies of one package", names.len(), limits::DEPENDENCIES_PER_PACKAGE)?;
    if names.len() != flags.len() || names.len() != versions.len() {
        let (names, flags, versions) = (names.len(), flags.len(), versions.len());
        return Err(malformed(format!("{names} dependencies have {flags} flags and {versions} versions")));
    }
    let raw = names.into_iter().zip(flags).zip(versions);
    let raw = raw.map(|((name, flags), version)| Raw {
        name,
        flags: DependencyFlags::from_bits_retain(flags),
        version,
    });
    Ok(raw.collect())
}

fn limit(what: &'static str, found: usize, limit: usize) -> Result<(), RpmError> {
    if found > limit {
        return Err(RpmError::Limit { what, found: found as u64, limit: limit as u64 });
    }
    Ok(())
}

fn capability(dependency: &Raw<'_>) -> Result<Capability, ManifestError> {
    let (less, greater, equal) = (
        dependency.flags.contains(DependencyFlags::LESS),
        dependency.flags.contains(DependencyFlags::GREATER),
        dependency.flags.contains(DependencyFlags::EQUAL),
    );
    let relation = match (less, greater, equal) {
        (false, false, false) => None,
        (true, false, false) => Some(Relation::Less),
        (true, false, true) => Some(Relation::LessOrEqual),
        (false, false, true) => Some(Relation::Equal),
        (false, true, true) => Some(Relation::GreaterOrEqual),
        (false, true, false) => Some(Relation::Greater),
        (true, true, _) => {
            let text = excerpt(dependency.name);
            return Err(ManifestError::Dependency { text, problem: "it asks for less and more at once" });
        }
    };
    // A relation without a version bounds nothing, for rpm too.
    let bound = relation.filter(|_| !dependency.version.is_empty());
    Capability::new(dependency.name, bound.map(|relation| (relation, dependency.version)))
}

fn files(metadata: &PackageMetadata) -> Result<Vec<String>, RpmError> {
    let header = &metadata.header;
    let names =
        optional(header.get_entry_data_as_string_array(IndexTag::RPMTAG_BASENAMES))?.unwrap_or_default();
    let places =
        optional(header.get_entry_data_as_u32_array(IndexTag::RPMTAG_DIRINDEXES))?.unwrap_or_default();
    let directories =
        optional(header.get_entry_data_as_string_array(IndexTag::RPMTAG_DIRNAMES))?.unwrap_or_default();
    if names.len() != places.len() {
        return Err(malformed(format!("{} file names lie in {} directories", names.len(), places.len())));
    }
    let mut files = Vec::with_capacity(names.len());
    let mut bytes = 0;
    for (name, place) in names.iter().zip(places) {
        let Some(directory) = directories.get(place as usize) else {
            return Err(malformed(format!("a file lies in directory {place} of {}", directories.len())));
        };
        bytes += directory.len() + name.len() + TEXT_OVERHEAD;
        limit("bytes of the paths of one package", bytes, TEXT_BYTES)?;
        files.push(path(directory, name)?);
    }
    Ok(files)
}

fn path(directory: &str, name: &str) -> Result<String, RpmError> {
    let path = format!("{directory}{name}");
    let absolute = directory.starts_with('/') && directory.ends_with('/');
    let plain = !name.contains('/') && path.split('/').all(|part| part != ".." && part != ".");
    if absolute && plain && path.len() <= PATH_BYTES && !path.chars().any(char::is_control) {
        Ok(path)
    } else {
        Err(malformed(format!("`{}` is not the path of a file", excerpt(&path))))
    }
}

/// A tag that may be missing, but not be of another type.
fn optional<T>(found: Result<T, Error>) -> Result<Option<T>, RpmError> {
    match found {
        Ok(value) => Ok(Some(value)),
        Err(Error::TagNotFound(_)) => Ok(None),
        Err(source) => Err(parsing(source)),
    }
}

fn parsing(source: Error) -> RpmError {
    RpmError::Parse(Box::new(source))
}

fn malformed(problem: String) -> RpmError {
    RpmError::Malformed { part: "header", problem }
}

fn unreadable(nevra: &Nevra, source: ManifestError) -> RpmError {
    RpmError::Dependency { nevra: Box::new(nevra.clone()), source }
}
