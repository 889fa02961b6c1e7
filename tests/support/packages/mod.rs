//! Real RPMs, made by `rpmbuild` from a few lines of Rust: small, and the same bytes on every run.
//!
//! [`Rpm`] describes one package; [`Rpm::build`] gives the file. [`base()`] is what the sandbox host carries,
//! [`extensions()`] what a release offers on top, [`tamper`] what an attacker or a bad disk makes of a file.
//! Names, requirements, provides and scriptlets follow the originals; contents are fakes.

mod base;
mod build;
pub mod craft;
mod extensions;
mod spec;
pub mod tamper;

use std::path::PathBuf;

pub use base::{base, kernel_release};
pub use build::build_all;
pub(crate) use build::fill;
pub use extensions::{Extension, admin_tool, extensions, kernel_rt, unsatisfiable};

/// Which of the two releases of the sandbox's operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Release {
    /// The one a fresh sandbox host is booted from.
    First,
    /// A newer one: newer base packages, and every extension with a newer EVR.
    Second,
}

impl Release {
    /// One of two values.
    pub fn pick<T>(self, first: T, second: T) -> T {
        match self {
            Release::First => first,
            Release::Second => second,
        }
    }

    /// The version of the operating system.
    pub fn version(self) -> &'static str {
        self.pick("418.94.202411210000-0", "418.94.202412050000-0")
    }
}

/// The description of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rpm {
    pub(crate) name: String,
    pub(crate) epoch: u32,
    pub(crate) version: String,
    pub(crate) release: String,
    pub(crate) arch: String,
    pub(crate) tags: Vec<(&'static str, String)>,
    pub(crate) files: Vec<Entry>,
    pub(crate) scriptlets: Vec<(&'static str, String)>,
    pub(crate) filler: u64,
}

/// One thing a package puts on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: String,
    pub(crate) kind: Kind,
}

/// What it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    File { content: Vec<u8>, mode: u32 },
    Symlink(String),
    Directory,
}

impl Rpm {
    /// A package of this name, `0:1.0-1.el9`, for x86_64, that holds one file of documentation.
    pub fn new(name: &str) -> Self {
        Rpm {
            name: name.to_owned(),
            epoch: 0,
            version: "1.0".to_owned(),
            release: "1.el9".to_owned(),
            arch: "x86_64".to_owned(),
            tags: Vec::new(),
            files: Vec::new(),
            scriptlets: Vec::new(),
            filler: 0,
        }
    }

    /// Epoch, version and release.
    #[must_use]
    pub fn evr(mut self, epoch: u32, version: &str, release: &str) -> Self {
        self.epoch = epoch;
        self.version = version.to_owned();
        self.release = release.to_owned();
        self
    }

    /// The architecture in the header: `noarch`, `aarch64`.
    #[must_use]
    pub fn arch(mut self, arch: &str) -> Self {
        self.arch = arch.to_owned();
        self
    }

    /// A requirement as a spec file writes it: `libqb.so.100()(64bit)`, `krb5-libs = 1.21.1-1.el9`.
    #[must_use]
    pub fn requires(self, what: impl Into<String>) -> Self {
        self.tag("Requires", what)
    }

    /// Something it provides beside its own name.
    #[must_use]
    pub fn provides(self, what: impl Into<String>) -> Self {
        self.tag("Provides", what)
    }

    /// Something it cannot stand beside.
    #[must_use]
    pub fn conflicts(self, what: impl Into<String>) -> Self {
        self.tag("Conflicts", what)
    }

    /// Something it takes the place of.
    #[must_use]
    pub fn obsoletes(self, what: impl Into<String>) -> Self {
        self.tag("Obsoletes", what)
    }

    fn tag(mut self, tag: &'static str, what: impl Into<String>) -> Self {
        self.tags.push((tag, what.into()));
        self
    }

    /// A shared library: its file and the provides that `rpmbuild` would find in it.
    #[must_use]
    pub fn library(self, soname: &str, symbol_versions: &[&str]) -> Self {
        let path = format!("/usr/lib64/{soname}");
        let mut rpm = self.provides(format!("{soname}()(64bit)"));
        for version in symbol_versions {
            rpm = rpm.provides(format!("{soname}({version})(64bit)"));
        }
        let content = format!("stand-in for {soname} of {}\n", rpm.nevra());
        rpm.entry(&path, Kind::File { content: content.into_bytes(), mode: 0o755 })
    }

    /// A regular file.
    #[must_use]
    pub fn file(self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.entry(path, Kind::File { content: content.into(), mode: 0o644 })
    }

    /// A file that can be run.
    #[must_use]
    pub fn executable(self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.entry(path, Kind::File { content: content.into(), mode: 0o755 })
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(path, Kind::Symlink(target.to_owned()))
    }

    /// A directory of its own.
    #[must_use]
    pub fn directory(self, path: &str) -> Self {
        self.entry(path, Kind::Directory)
    }

    fn entry(mut self, path: &str, kind: Kind) -> Self {
        assert!(path.starts_with('/'), "`{path}` is not absolute");
        self.files.push(Entry { path: path.to_owned(), kind });
        self
    }

    /// A scriptlet: `pre`, `post`, `preun`, `postun`, `posttrans`.
    #[must_use]
    pub fn scriptlet(mut self, when: &'static str, body: &str) -> Self {
        self.scriptlets.push((when, body.to_owned()));
        self
    }

    /// The `%post` scriptlet.
    #[must_use]
    pub fn post(self, body: &str) -> Self {
        self.scriptlet("post", body)
    }

    /// So many bytes that no compressor makes smaller, the same for the same NEVRA.
    #[must_use]
    pub fn filler(mut self, bytes: u64) -> Self {
        self.filler = bytes;
        self
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `[epoch:]version-release`.
    pub fn evr_text(&self) -> String {
        match self.epoch {
            0 => format!("{}-{}", self.version, self.release),
            epoch => format!("{epoch}:{}-{}", self.version, self.release),
        }
    }

    /// `name-[epoch:]version-release.arch`, as rpm-ostree and rpm write it.
    pub fn nevra(&self) -> String {
        format!("{}-{}.{}", self.name, self.evr_text(), self.arch)
    }

    /// The base name of the file: no epoch, as repositories have it.
    pub fn file_name(&self) -> String {
        format!("{}-{}-{}.{}.rpm", self.name, self.version, self.release, self.arch)
    }

    /// The file, built now or in an earlier run.
    pub fn build(&self) -> PathBuf {
        build::build(self)
    }
}
