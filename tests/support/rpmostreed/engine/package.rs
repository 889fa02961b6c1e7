//! What `rpm` says about packages: in files, and in the database of a tree.

use std::fmt;
use std::path::Path;
use std::process::Command;

use super::Failure;
use super::command::tool;
use super::context::Context;

/// Where the package database is, in every tree.
pub const DATABASE: &str = "/usr/share/rpm";

/// What identifies one package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is the header value of that name")]
pub struct Facts {
    pub name: String,
    pub epoch: u64,
    pub version: String,
    pub release: String,
    pub arch: String,
}

const FORMAT: &str = "%{NAME}|%{EPOCHNUM}|%{VERSION}|%{RELEASE}|%{ARCH}\n";

impl Facts {
    /// Reads `name|epoch|version|release|arch`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('|').map(str::to_owned);
        Some(Self {
            name: parts.next()?,
            epoch: parts.next()?.parse().ok()?,
            version: parts.next()?,
            release: parts.next()?,
            arch: parts.next()?,
        })
    }

    /// The form that [`Facts::parse`] reads.
    pub fn record(&self) -> String {
        format!("{}|{}|{}|{}|{}", self.name, self.epoch, self.version, self.release, self.arch)
    }

    /// `[epoch:]version-release`.
    pub fn evr(&self) -> String {
        let epoch = if self.epoch == 0 { String::new() } else { format!("{}:", self.epoch) };
        format!("{epoch}{}-{}", self.version, self.release)
    }

    /// `name-[epoch:]version-release.arch`, without an epoch of zero.
    pub fn nevra(&self) -> String {
        format!("{}-{}.{}", self.name, self.evr(), self.arch)
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.nevra())
    }
}

/// `rpm` without signature checks: the daemon makes none for local files either.
pub fn rpm() -> Command {
    let mut command = tool("rpm");
    command.args(["--force-debian", "--nosignature", "--define", "_db_backend sqlite"]);
    command
}

/// `rpm` inside a tree.
pub fn rpm_in(tree: &Path) -> Command {
    let mut command = rpm();
    command.arg("--root").arg(tree).args(["--dbpath", DATABASE]);
    command
}

/// The packages in the database at `database`.
///
/// # Errors
/// When it cannot be read.
pub fn installed(context: &Context, database: &Path) -> Result<Vec<Facts>, Failure> {
    let mut command = rpm();
    command.arg("--dbpath").arg(database).args(["-qa", "--queryformat", FORMAT]);
    let said = context.run(&mut command, "Loading sack")?.expect_ok("rpm -qa")?;
    Ok(said.lines().filter_map(Facts::parse).collect())
}

/// What identifies the package in a file; none when rpm refuses to read it, with its words.
///
/// # Errors
/// When rpm cannot be run; inside, rpm's refusal.
pub fn in_file(context: &Context, file: &Path) -> Result<Result<Facts, String>, Failure> {
    let said = context.run(rpm().args(["-qp", "--queryformat", FORMAT]).arg(file), "Reading metainfo")?;
    match Facts::parse(&said.out) {
        Some(facts) if said.ok() => Ok(Ok(facts)),
        _ => Ok(Err(said.err)),
    }
}

/// How long lead, signature header and header of an RPM are together; none when this is no RPM.
pub fn head_length(bytes: &[u8]) -> Option<usize> {
    const LEAD: usize = 96;
    const INTRO: usize = 16;
    if bytes.get(..4)? != [0xed, 0xab, 0xee, 0xdb] {
        return None;
    }
    let section = |at: usize| -> Option<usize> {
        let intro = bytes.get(at..at + INTRO)?;
        if intro.get(..4)? != [0x8e, 0xad, 0xe8, 0x01] {
            return None;
        }
        let number = |at: usize| -> Option<usize> {
            let four: [u8; 4] = intro.get(at..at + 4)?.try_into().ok()?;
            usize::try_from(u32::from_be_bytes(four)).ok()
        };
        number(8)?.checked_mul(16)?.checked_add(number(12)?)?.checked_add(INTRO)
    };
    let signature = section(LEAD)?;
    let header = LEAD + signature.next_multiple_of(8);
    let end = header + section(header)?;
    (end <= bytes.len()).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nevra_has_no_epoch_of_zero() {
        let facts = Facts::parse("bash|0|5.1.8|9.el9|x86_64").unwrap();
        assert_eq!(facts.nevra(), "bash-5.1.8-9.el9.x86_64");
        assert_eq!(Facts { epoch: 2, ..facts }.nevra(), "bash-2:5.1.8-9.el9.x86_64");
    }

    #[test]
    fn what_is_no_rpm_has_no_head() {
        assert_eq!(head_length(b""), None);
        assert_eq!(head_length(b"hello"), None);
        assert_eq!(head_length(&[0xed, 0xab, 0xee, 0xdb, 0, 0]), None);
    }
}
