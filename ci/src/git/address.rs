//! What git asks for: which service, of which repository, on which node of which build.
//!
//! Decides: which requests are accepted, and the path that they mean. Must not: run anything. Input: the arguments that
//! git gives to an ssh program or to a remote helper, untrusted.

use super::GitError;
use super::names::folders;
use crate::config::Name;
use crate::error::shown;

/// The scheme of our URLs; git calls `git-remote-build-resources` for it.
pub const SCHEME: &str = "build-resources";

/// What the far side shall be. No other service is ever started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Takes a push.
    Receive,
    /// Answers a clone or a fetch.
    Upload,
}

impl Service {
    /// The name that git has for it, without `git-`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Service::Receive => "receive-pack",
            Service::Upload => "upload-pack",
        }
    }

    /// The service that git calls so.
    ///
    /// # Errors
    /// When it is another one.
    pub fn named(text: &str) -> Result<Self, GitError> {
        match text.strip_prefix("git-").or_else(|| text.strip_prefix("git ")) {
            Some("receive-pack") => Ok(Service::Receive),
            Some("upload-pack") => Ok(Service::Upload),
            Some(_) | None => {
                Err(refused("service", text, "only `git-receive-pack` and `git-upload-pack` are served"))
            }
        }
    }
}

/// A container of a build's node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The build.
    pub build: String,
    /// The node.
    pub node: Name,
    /// The container; none means the first one.
    pub container: Option<Name>,
}

/// A repository in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Where it is.
    pub spot: Spot,
    /// Its path as it was given.
    path: String,
}

impl Address {
    /// The path of the repository: `src/NAME` below the workspace, which may stand in front of it.
    ///
    /// # Errors
    /// When it is no path of plain folders there.
    pub fn path(&self, workspace: &str) -> Result<String, GitError> {
        path(&self.path, workspace)
    }
}

/// Reads `NODE`, or `NODE.CONTAINER`; neither can have a point in its name.
fn spot(build: &str, node: &str) -> Result<Spot, GitError> {
    let (node, container) = match node.split_once('.') {
        Some((node, container)) => (node, Some(container)),
        None => (node, None),
    };
    let name = |text: &str| text.parse::<Name>().map_err(|why| refused("node", text, &why));
    if build.is_empty() || build.starts_with('-') || build.chars().any(char::is_control) {
        return Err(refused(
            "build",
            build,
            "it must not be empty, begin with `-` or have control characters",
        ));
    }
    Ok(Spot { build: build.to_owned(), node: name(node)?, container: container.map(name).transpose()? })
}

fn path(text: &str, workspace: &str) -> Result<String, GitError> {
    let inside = |rest: &&str| rest.is_empty() || rest.starts_with('/');
    let below = text.strip_prefix(workspace).filter(inside).unwrap_or(text);
    let below = below.strip_prefix('/').unwrap_or(below);
    let below = below.strip_suffix('/').unwrap_or(below);
    if folders(below) {
        Ok(format!("{workspace}/{below}"))
    } else {
        Err(refused(
            "path",
            text,
            "plain folders below the workspace are wanted, such as `src/NAME`, without `..`",
        ))
    }
}

/// Reads `build-resources://BUILD/NODE[.CONTAINER]/PATH`; bytes of the build may be written as `%20`.
///
/// # Errors
/// When it is something else.
pub fn url(text: &str) -> Result<Address, GitError> {
    let wrong = || refused("URL", text, "`build-resources://BUILD/NODE/src/NAME` is wanted");
    let rest = text.strip_prefix(SCHEME).ok_or_else(wrong)?.strip_prefix("://").ok_or_else(wrong)?;
    let (build, rest) = rest.split_once('/').ok_or_else(wrong)?;
    let (node, below) = rest.split_once('/').ok_or_else(wrong)?;
    let build = decoded(build).ok_or_else(wrong)?;
    Ok(Address { spot: spot(&build, node)?, path: below.to_owned() })
}

/// Reads what git gives to an ssh program: `NODE[.CONTAINER]@BUILD` and `git-receive-pack 'PATH'`.
///
/// # Errors
/// When it is something else: an option, another command, or a path that is not quoted as git quotes it.
pub fn ssh(arguments: &[String]) -> Result<(Service, Address), GitError> {
    let [host, command] = arguments else {
        let why = "a host and one command are wanted; git gives them so with `GIT_SSH_VARIANT=simple`";
        return Err(refused("arguments", &arguments.join(" "), why));
    };
    let wrong = || refused("host", host, "`NODE@BUILD` is wanted");
    let (node, build) = host.split_once('@').ok_or_else(wrong)?;
    let (service, quoted) = command
        .split_once(" '")
        .ok_or_else(|| refused("command", command, "a service and one quoted path are wanted"))?;
    let service = Service::named(service)?;
    // What git writes for a quote or a `!` in a path is refused with the path: no path of ours has one.
    let plain = quoted.strip_suffix('\'').filter(|path| !path.contains('\''));
    let plain =
        plain.ok_or_else(|| refused("command", command, "a service and one quoted path are wanted"))?;
    Ok((service, Address { spot: spot(build, node)?, path: plain.to_owned() }))
}

fn refused(what: &'static str, text: &str, why: &str) -> GitError {
    GitError::Refused { what, text: shown(text), why: why.to_owned() }
}

/// A text with its `%20`s replaced.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let pair = [rest.next()?, rest.next()?];
            bytes.extend(hex::decode(pair).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = "/workspace";

    fn taken(host: &str, command: &str) -> Option<(Service, String, String)> {
        let (service, at) = ssh(&[host.to_owned(), command.to_owned()]).ok()?;
        Some((service, format!("{}/{}", at.spot.build, at.spot.node), at.path(HOME).ok()?))
    }

    #[test]
    fn row_12_gits_own_words_are_understood() {
        let found = Some((Service::Receive, "b-1/one".to_owned(), "/workspace/src/repo".to_owned()));
        for path in ["src/repo", "/src/repo", "/workspace/src/repo", "src/repo/"] {
            assert_eq!(taken("one@b-1", &format!("git-receive-pack '{path}'")), found, "{path}");
        }
        let clone = taken("one@b-1", "git upload-pack 'src/x.y/z'").unwrap();
        assert_eq!((clone.0, clone.2.as_str()), (Service::Upload, "/workspace/src/x.y/z"));
    }

    #[test]
    fn row_12_only_the_two_services_and_only_plain_paths_below_the_workspace() {
        for command in [
            "sh -c 'x'",
            "git-upload-archive 'src/a'",
            "git-receive-pack src/a",
            "git-receive-pack 'src/a",
            "git-receive-pack 'src/a'; id",
            "git-receive-pack 'src/a' 'src/b'",
            "git-receive-pack --x 'src/a'",
            "git-receive-pack '../etc'",
            "git-receive-pack '/workspace/../etc'",
            "git-receive-pack '/workspace'",
            "git-receive-pack '-x'",
            "git-receive-pack 'src/$(id)'",
            "git-receive-pack 'src/a'\\''b'",
            "git-receive-pack 'src/a\nb'",
            "git-receive-pack ''",
            "git-receive-pack",
        ] {
            assert_eq!(taken("one@b", command), None, "{command:?}");
        }
        for host in ["one", "@b", "one@", "-o@b", "one@-x", "One@b", "a.b.c@b", "one.@b"] {
            assert_eq!(taken(host, "git-receive-pack 'src/a'"), None, "{host:?}");
        }
        let option = ["-p", "22", "one@b", "git-receive-pack 'src/a'"].map(str::to_owned);
        assert!(ssh(&option).unwrap_err().to_string().contains("GIT_SSH_VARIANT"));
    }

    #[test]
    fn row_12_a_url_names_build_node_container_and_path() {
        let at = url("build-resources://b%201/one.second/src/repo").unwrap();
        assert_eq!((at.spot.build.as_str(), at.spot.node.as_str()), ("b 1", "one"));
        assert_eq!(at.spot.container.as_ref().map(Name::as_str), Some("second"));
        assert_eq!(at.path(HOME).unwrap(), "/workspace/src/repo");
        for bad in [
            "",
            "build-resources:",
            "build-resources://",
            "build-resources://b",
            "build-resources://b/n",
            "build-resources://b/n/",
            "build-resources:///n/src/a",
            "ssh://b/n/src/a",
            "build-resources://b%0a/n/a",
            "build-resources://b%2/n/a",
            "build-resources://b%zz/n/a",
            "build-resources://b/n/../a",
        ] {
            assert!(url(bad).and_then(|at| at.path(HOME)).is_err(), "{bad:?}");
        }
    }
}
