//! The git of this machine, in an environment of its own: no settings of a user or a host, no hooks, no questions.
//!
//! Decides: how git is called here. Must not: know a cluster, or trust what a repository calls its refs. Input: paths that
//! a caller named. Git itself refuses a repository of another owner, whose settings could run programs; so it stays.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

use super::GitError;
use super::names::{Format, Id, RefName};
use super::plan::{Facts, Wanted};
use crate::error::shown;

/// Most branches and tags of one repository.
const REFS: usize = 2000;
/// Most bytes of an answer that are read.
const ANSWER: u64 = 1 << 20;
/// Settings that no repository may choose.
const SETTINGS: &[(&str, &str)] = &[
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.bigFileThreshold", "16m"),
    ("pack.compression", "1"),
    ("gc.auto", "0"),
    ("protocol.allow", "never"),
    ("protocol.fd.allow", "always"),
];

/// The git of this machine.
#[derive(Debug, Clone)]
pub struct Git {
    /// Where programs are looked for.
    pub path: Option<OsString>,
}

impl Git {
    /// A command in a bounded environment.
    fn command(&self, program: &str, repository: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        let above = repository.parent().unwrap_or(Path::new("/"));
        command
            .env("GIT_CEILING_DIRECTORIES", above) // so that a plain folder is not taken for the repository around it
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("HOME", "/dev/null")
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_COUNT", SETTINGS.len().to_string());
        for (at, (key, value)) in SETTINGS.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{at}"), key).env(format!("GIT_CONFIG_VALUE_{at}"), value);
        }
        command
    }

    /// What git says; none when it says no.
    async fn ask(&self, repository: &Path, arguments: &[&str]) -> Result<Result<String, String>, GitError> {
        let failed = |error| GitError::Tool("git", error);
        let mut command = self.command("git", repository);
        let mut child = command.arg("-C").arg(repository).args(arguments).spawn().map_err(failed)?;
        let (out, err) = tokio::join!(bounded(child.stdout.take()), bounded(child.stderr.take()));
        let status = child.wait().await.map_err(failed)?;
        Ok(if status.success() { Ok(out) } else { Err(err) })
    }

    /// What a repository says of itself; with `all`, of all its branches and tags.
    ///
    /// # Errors
    /// When it is none, has no commit there, or has a ref that could not be one.
    pub async fn look(&self, path: &Path, reference: Option<&str>, all: bool) -> Result<Facts, GitError> {
        let refused = |why: String| GitError::Source { path: path.to_owned(), why: shown(&why) };
        let questions = ["--is-bare-repository", "--is-shallow-repository", "--show-object-format"];
        let said =
            self.ask(path, &[&["rev-parse"], questions.as_slice()].concat()).await?.map_err(refused)?;
        let lines: Vec<&str> = said.lines().collect();
        let [bare, shallow, format] = *lines.as_slice() else {
            return Err(refused(format!("git answered `{said}`")));
        };
        let format = match format {
            "sha1" => Format::Sha1,
            "sha256" => Format::Sha256,
            other => return Err(refused(format!("it names objects by `{other}`"))),
        };
        let full_name = self.full_name(path, reference).await?;
        let wanted = reference.unwrap_or("HEAD");
        let mut ids = Vec::new();
        for kind in ["commit", "tree"] {
            let object = format!("{wanted}^{{{kind}}}");
            let id = self.ask(path, &["rev-parse", "--verify", "--quiet", &object]).await?;
            let id = id.map_err(|_| refused(format!("it has no {kind} at `{wanted}`")))?;
            ids.push(id.trim_end().parse::<Id>().map_err(refused)?);
        }
        let [commit, tree] = <[Id; 2]>::try_from(ids).map_err(|_| refused("it has no commit".to_owned()))?;
        let status = ["status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all"];
        let dirty = bare == "false" && self.ask(path, &status).await?.is_ok_and(|text| !text.is_empty());
        let others = if all { self.refs(path).await? } else { Vec::new() };
        Ok(Facts { full_name, commit, tree, format, shallow: shallow == "true", dirty, others })
    }

    /// The whole name of a ref, where there is one.
    async fn full_name(&self, path: &Path, reference: Option<&str>) -> Result<Option<String>, GitError> {
        let said = match reference {
            None => self.ask(path, &["symbolic-ref", "--quiet", "HEAD"]).await?,
            Some(name) => {
                self.ask(path, &["rev-parse", "--symbolic-full-name", "--verify", "--quiet", name]).await?
            }
        };
        let name = said.ok().map(|text| text.trim_end().to_owned());
        Ok(name.filter(|name| name.starts_with("refs/")))
    }

    async fn refs(&self, path: &Path) -> Result<Vec<(Id, RefName)>, GitError> {
        let refused = |why: String| GitError::Source { path: path.to_owned(), why: shown(&why) };
        let arguments = ["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags"];
        let said = self.ask(path, &arguments).await?.map_err(refused)?;
        if said.lines().count() > REFS {
            return Err(refused(format!("it has more than {REFS} branches and tags; send one branch only")));
        }
        said.lines()
            .map(|line| {
                let (id, name) = line.split_once(' ').unwrap_or((line, ""));
                let name = name.parse().map_err(|why| refused(format!("of `{name}`: {why}")))?;
                Ok((id.parse().map_err(refused)?, name))
            })
            .collect()
    }

    /// A push that speaks to its far side through its own standard input and output. The shell only moves them to where
    /// git wants them; names are its arguments.
    pub(super) fn push(&self, wanted: &Wanted) -> Result<Child, GitError> {
        const MOVE: &str = r#"exec git -C "$@" 3<&0 4>&1 </dev/null >&2"#;
        const OPTIONS: [&str; 8] = [
            "push",
            "--quiet",
            "--no-verify",
            "--atomic",
            "--no-signed",
            "--no-follow-tags",
            "--recurse-submodules=no",
            "fd::3,4",
        ];
        let mut command = self.command("sh", &wanted.path);
        command.args(["-c", MOVE, "sh"]).arg(&wanted.path).args(OPTIONS).args(wanted.refspecs());
        command.stdin(Stdio::piped()).spawn().map_err(|error| GitError::Tool("git", error))
    }
}

/// The first bytes of what a program says; the rest is read and dropped, so that it can end.
async fn bounded(stream: Option<impl tokio::io::AsyncRead + Unpin>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let mut kept = Vec::new();
    // A program whose output breaks is judged by its exit code.
    let _ = (&mut stream).take(ANSWER).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).into_owned()
}
