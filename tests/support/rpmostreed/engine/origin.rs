//! The origin file of a deployment: which base, and what is requested on top of it.

use std::fmt::{self, Write};

/// One local package as an origin names it: the digest of everything before the payload, and the NEVRA.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalRequest {
    /// SHA-256 over lead, signature header and header, in hex.
    pub sha256: String,
    /// Name, epoch, version, release and architecture.
    pub nevra: String,
}

impl LocalRequest {
    fn parse(text: &str) -> Option<Self> {
        let (sha256, nevra) = text.split_once(':')?;
        Some(Self { sha256: sha256.to_owned(), nevra: nevra.to_owned() })
    }

    /// The name in the NEVRA.
    pub fn name(&self) -> &str {
        name_of(&self.nevra)
    }
}

impl fmt::Display for LocalRequest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.sha256, self.nevra)
    }
}

/// The name in front of `-version-release.arch`.
pub fn name_of(nevra: &str) -> &str {
    nevra.rsplitn(3, '-').nth(2).unwrap_or(nevra)
}

/// An origin, read or to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The ref (or checksum) that the base follows.
    pub refspec: String,
    /// A commit that the base is held at.
    pub override_commit: Option<String>,
    /// Names requested from repositories.
    pub requested: Vec<String>,
    /// Local packages.
    pub local: Vec<LocalRequest>,
    /// Local packages that may replace files of the base.
    pub local_fileoverride: Vec<LocalRequest>,
    /// Base packages that are removed.
    pub remove: Vec<String>,
    /// Local packages that replace base packages.
    pub replace_local: Vec<LocalRequest>,
    /// Groups and keys that the stand-in does not act on; kept.
    pub other: Vec<(String, String, String)>,
}

impl Origin {
    /// Reads an origin file.
    pub fn parse(text: &str) -> Self {
        let mut origin = Self::default();
        let mut group = String::new();
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                name.clone_into(&mut group);
            } else if let Some((key, value)) = line.split_once('=') {
                origin.take(&group, key.trim(), value.trim());
            }
        }
        origin
    }

    fn take(&mut self, group: &str, key: &str, value: &str) {
        let list = || value.split(';').filter(|item| !item.is_empty());
        let locals = || list().filter_map(LocalRequest::parse).collect();
        match (group, key) {
            ("origin", "refspec" | "baserefspec") => value.clone_into(&mut self.refspec),
            ("origin", "override-commit") => self.override_commit = Some(value.to_owned()),
            ("packages", "requested") => self.requested = list().map(str::to_owned).collect(),
            ("packages", "requested-local") => self.local = locals(),
            ("packages", "requested-local-fileoverride") => self.local_fileoverride = locals(),
            ("overrides", "remove") => self.remove = list().map(str::to_owned).collect(),
            ("overrides", "replace-local") => self.replace_local = locals(),
            _ => self.other.push((group.to_owned(), key.to_owned(), value.to_owned())),
        }
    }

    /// Whether anything is layered or overridden.
    pub fn is_layered(&self) -> bool {
        self.has_packages() || self.has_overrides()
    }

    /// Whether any package is requested.
    pub fn has_packages(&self) -> bool {
        !(self.requested.is_empty() && self.local.is_empty() && self.local_fileoverride.is_empty())
    }

    /// Whether any base package is removed or replaced.
    pub fn has_overrides(&self) -> bool {
        !(self.remove.is_empty() && self.replace_local.is_empty())
    }

    /// Every local package that is to be installed, replacements included.
    pub fn all_local(&self) -> impl Iterator<Item = &LocalRequest> {
        self.local.iter().chain(&self.local_fileoverride).chain(&self.replace_local)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: fmt::Display>(items: &[T]) -> String {
            items.iter().fold(String::new(), |mut text, item| {
                let _ = write!(text, "{item};");
                text
            })
        }
        let key = if self.is_layered() { "baserefspec" } else { "refspec" };
        let mut groups: Vec<(&str, Vec<(&str, String)>)> =
            vec![("origin", vec![(key, self.refspec.clone())]), ("packages", vec![]), ("overrides", vec![])];
        if let Some(commit) = &self.override_commit {
            groups[0].1.push(("override-commit", commit.clone()));
        }
        groups[1].1.extend([
            ("requested", list(&self.requested)),
            ("requested-local", list(&self.local)),
            ("requested-local-fileoverride", list(&self.local_fileoverride)),
        ]);
        groups[2].1.extend([("remove", list(&self.remove)), ("replace-local", list(&self.replace_local))]);
        for (group, key, value) in &self.other {
            match groups.iter_mut().find(|(name, _)| name == group) {
                Some((_, lines)) => lines.push((key, value.clone())),
                None => groups.push((group, vec![(key, value.clone())])),
            }
        }
        for (group, mut lines) in groups {
            lines.retain(|(_, value)| !value.is_empty());
            if lines.is_empty() {
                continue;
            }
            writeln!(out, "[{group}]")?;
            for (key, value) in lines {
                writeln!(out, "{key}={value}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYERED: &str = "[origin]\nbaserefspec=fedora:x\n[packages]\nrequested-local=aa:a-1-1.noarch;bb:b-1:2-1.\
                           x86_64;\n[overrides]\nremove=kernel;kernel-core;\nreplace-local=cc:c-1-1.noarch;\n[rpmostree]\n\
                           ex-cliwrap=true\n";

    #[test]
    fn an_origin_survives_reading_and_writing() {
        let origin = Origin::parse(LAYERED);
        assert_eq!(origin.local[1].nevra, "b-1:2-1.x86_64");
        assert_eq!(origin.local[1].name(), "b");
        assert_eq!(origin.to_string(), LAYERED);
    }

    #[test]
    fn a_bare_origin_names_its_ref_differently() {
        let mut origin = Origin::parse(LAYERED);
        (origin.local, origin.remove, origin.replace_local) = Default::default();
        assert_eq!(origin.to_string(), "[origin]\nrefspec=fedora:x\n[rpmostree]\nex-cliwrap=true\n");
    }
}
