//! From guarded bytes to facts, through the `rpm` crate: the one file that knows it.
//!
//! Facts are read from the main header alone. Of the signature header only the digest of the main one is taken, and
//! that only to hold the main header against it.

use extensions_manifest::dependency::Relation;
use extensions_manifest::{
    Capability, Evr, ManifestError, Nevra, PackageFacts, Requirement, Sha256Digest, limits,
};
use rpm::{Dependency, DependencyFlags, Error, IndexSignatureTag, IndexTag, PackageMetadata};

use super::verify::RpmError;

/// Longest path of a file, in bytes, as Linux has it.
const PATH_BYTES: usize = 4096;
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
pub(super) fn parse(mut head: &[u8]) -> Result<Headers, RpmError> {
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
    Ok(Headers {
        header_digest: header_digest(&metadata)?,
        payload_digest: payload_digest(&metadata)?,
        installed_size: optional(metadata.get_installed_size())?.unwrap_or(0),
        facts: PackageFacts {
            provides: capabilities(metadata.get_provides(), &nevra)?,
            requires: requirements(metadata.get_requires(), &nevra)?,
            conflicts: requirements(metadata.get_conflicts(), &nevra)?,
            obsoletes: capabilities(metadata.get_obsoletes(), &nevra)?,
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

fn capabilities(found: Result<Vec<Dependency>, Error>, nevra: &Nevra) -> Result<Vec<Capability>, RpmError> {
    let found = bounded(found)?;
    let read =
        found.iter().map(|dependency| capability(dependency).map_err(|source| unreadable(nevra, source)));
    read.collect()
}

fn requirements(found: Result<Vec<Dependency>, Error>, nevra: &Nevra) -> Result<Vec<Requirement>, RpmError> {
    let mut requirements = Vec::new();
    for dependency in bounded(found)? {
        // The way recommendations were written before rpm had a tag for them; rpm itself passes over these.
        if dependency.flags.contains(DependencyFlags::MISSINGOK) {
            continue;
        }
        let read = if dependency.name.starts_with('(') {
            Requirement::try_from(dependency.name)
        } else {
            capability(&dependency).map(Requirement::Plain)
        };
        requirements.push(read.map_err(|source| unreadable(nevra, source))?);
    }
    Ok(requirements)
}

fn bounded(found: Result<Vec<Dependency>, Error>) -> Result<Vec<Dependency>, RpmError> {
    let found = found.map_err(parsing)?;
    let limit = limits::DEPENDENCIES_PER_PACKAGE as u64;
    if found.len() as u64 > limit {
        return Err(RpmError::Limit {
            what: "dependencies of one package",
            found: found.len() as u64,
            limit,
        });
    }
    Ok(found)
}

fn capability(dependency: &Dependency) -> Result<Capability, ManifestError> {
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
            let text = excerpt(&dependency.name);
            return Err(ManifestError::Dependency { text, problem: "it asks for less and more at once" });
        }
    };
    // A relation without a version bounds nothing, for rpm too.
    let bound = relation.filter(|_| !dependency.version.is_empty());
    Capability::new(&dependency.name, bound.map(|relation| (relation, dependency.version.as_str())))
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
    for (name, place) in names.iter().zip(places) {
        let Some(directory) = directories.get(place as usize) else {
            return Err(malformed(format!("a file lies in directory {place} of {}", directories.len())));
        };
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

/// Untrusted text, escaped and cut, fit for an error.
fn excerpt(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_default).collect()
}
