//! Repositories to and from a node: `sync`, and the two programs that git itself calls.
//!
//! Decides: the words of these commands. Must not: know how a command reaches the node. Input: arguments of a user, or of
//! git.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::{Value, json};
use tokio::net::unix::pipe;

use super::{Problem, Said};
use crate::cluster::ClusterError;
use crate::config::Name;
use crate::drive::{Desk, Stop};
use crate::exec;
use crate::git::{self, Far, Git, GitError, Input, Manner, Output, Pipes, Receiver, Source, Spot, Synced};

/// Bring repositories to a node.
#[derive(Debug, Args)]
#[command(after_help = "\
Only commits are sent: the one that is checked out, or the named one, which need not be on any branch. On the node it is the \
branch of the same name, checked out in src/NAME of the workspace, which is /workspace unless the label says another; changes \
to files that git knows are dropped there. What the node has, or has in /opt/git/NAME, is not sent: a second run sends next to \
nothing. Submodules, and files kept outside git, are not followed.

Examples:
  build-resources sync 17 one ./project ./library
  build-resources sync 17 one example.org/project=./project#stable/1 --manifest repositories.json
  jq -r '.[] | \"\\(.name) \\(.tree)\"' repositories.json")]
pub struct SyncArgs {
    /// The build.
    build: String,
    /// The node.
    node: Name,
    /// Local repositories, and the commit that is wanted; without a name each is called like its directory.
    #[arg(required = true, value_name = "[NAME=]PATH[#REF]", value_parser = git::source)]
    sources: Vec<Source>,
    /// Where to write, as JSON, what the node has then: name, path, branch, commit, tree.
    #[arg(long)]
    manifest: Option<PathBuf>,
    /// The container; without it the side-car of the label, or the machine.
    #[arg(short, long)]
    container: Option<Name>,
    /// Send all branches and tags too.
    #[arg(long)]
    all: bool,
    /// Remove files on the node that are in no commit.
    #[arg(long)]
    clean: bool,
}

/// Be the ssh program of git.
#[derive(Debug, Args)]
#[command(after_help = "\
A repository is named by NODE@BUILD and its path below the workspace; a container as NODE.CONTAINER@BUILD.

Examples:
  export GIT_SSH_COMMAND='build-resources -f build-resources.yaml git-ssh'
  git push ssh://one@17/src/project HEAD:refs/heads/main
  git clone one@17:src/project")]
pub struct GitSshArgs {
    /// What git gives to an ssh program.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "NODE@BUILD COMMAND")]
    arguments: Vec<String>,
}

/// Be the remote helper of git.
#[derive(Debug, Args)]
#[command(after_help = "\
Git looks for a program of this name for URLs that begin with build-resources://. Give it one, and say by the environment where \
the configuration is:

  ln -s build-resources git-remote-build-resources    # in a directory of PATH
  export BUILD_RESOURCES_CONFIG=build-resources.yaml
  git push build-resources://17/one/src/project HEAD:refs/heads/main
  git clone build-resources://17/one.container/src/project")]
pub struct GitRemoteArgs {
    /// What git calls the remote.
    remote: String,
    /// Its URL.
    url: String,
}

/// The arguments, where the name of the program says that git calls its remote helper.
pub(super) fn as_helper(arguments: Vec<std::ffi::OsString>) -> Vec<std::ffi::OsString> {
    let called = arguments.first().and_then(|name| Path::new(name).file_name());
    if called.is_some_and(|name| name == "git-remote-build-resources") {
        let head = ["build-resources", "git-remote"].map(std::ffi::OsString::from);
        return head.into_iter().chain(arguments.into_iter().skip(1)).collect();
    }
    arguments
}

/// A way to the container that receives, with the build's own credentials.
async fn way(desk: &Desk<'_>, spot: &Spot) -> Result<(Far, Receiver), GitError> {
    let named = spot.container.as_ref();
    let mut target = desk.target(&spot.build, spot.node.as_str(), named.map(Name::as_str)).await?;
    let pods: Api<Pod> = Api::namespaced(target.client.clone(), &target.namespace);
    let operation = format!("get pods/{}", target.pod);
    let pod = pods.get(&target.pod).await.map_err(|error| Stop::from(ClusterError::of(operation, &error)))?;
    let receiver = Receiver::of(&pod, named, &target.container);
    target.container.clone_from(&receiver.container);
    let target = Arc::new(target);
    let far: Far = Arc::new(move |command, pipes| {
        let target = target.clone();
        Box::pin(async move {
            let Pipes { input, output, errors } = pipes;
            let exit = exec::run(&target, &command, input, output, errors).await?;
            Ok(exit.code)
        })
    });
    Ok((far, receiver))
}

/// `sync`.
pub(super) async fn sync(desk: &Desk<'_>, args: &SyncArgs) -> Result<Said, Problem> {
    let git = Git { path: std::env::var_os("PATH") };
    let (wanted, warnings) = git::gather(&git, &args.sources, args.all).await?;
    for warning in warnings {
        let _ = writeln!(io::stderr(), "warning: {warning}"); // where nobody listens, the sync still goes on
    }
    let spot = Spot { build: args.build.clone(), node: args.node.clone(), container: args.container.clone() };
    let (far, receiver) = way(desk, &spot).await?;
    let manner = Manner {
        root: format!("{}/src", receiver.workspace),
        caches: git::CACHES.to_owned(),
        cache: receiver.cache,
        clean: args.clean,
        deadline: desk.deadline,
    };
    let done = git::sync(&git, &far, &wanted, &manner).await?;
    if let Some(path) = &args.manifest {
        write(path, &json!(done.entries)).map_err(|error| GitError::Manifest(path.clone(), error))?;
    }
    Ok(told(&done))
}

fn told(done: &Synced) -> Said {
    let lines = done.entries.iter().map(|one| format!("{} {} {}\n", one.name, one.branch, one.commit));
    let lines: String = lines.collect();
    let (all, pushed) = (done.entries.len(), done.pushed);
    let text = format!(
        "{lines}{all} repositories, {pushed} sent anew, {} bytes there, {} bytes back\n",
        done.sent, done.received
    );
    let numbers =
        json!({"repositories": done.entries, "pushed": pushed, "sent": done.sent, "received": done.received});
    Said::new(text, numbers)
}

/// `git-ssh`.
pub(super) async fn git_ssh(desk: &Desk<'_>, args: &GitSshArgs) -> Result<Said, Problem> {
    let (service, address) = git::ssh(&args.arguments)?;
    let (far, receiver) = way(desk, &address.spot).await?;
    let path = address.path(&receiver.workspace)?;
    Ok(ended(git::serve(&far, service, &path, own_pipes()?).await?))
}

/// `git-remote`.
pub(super) async fn git_remote(desk: &Desk<'_>, args: &GitRemoteArgs) -> Result<Said, Problem> {
    let address = git::url(&args.url)?;
    let found = || async {
        let (far, receiver) = way(desk, &address.spot).await?;
        Ok((far, address.path(&receiver.workspace)?))
    };
    Ok(ended(git::helper(found, own_pipes()?).await?))
}

/// Says nothing: standard output belongs to git.
fn ended(code: i32) -> Said {
    Said { text: String::new(), json: Value::Null, code: u8::try_from(code).unwrap_or(u8::MAX) }
}

/// The standard streams of this process, past the buffers and locks of the library.
fn own_pipes() -> Result<Pipes, GitError> {
    let failed = |error| GitError::Tool("git's streams", error);
    let (input, output, errors) = (io::stdin(), io::stdout(), io::stderr());
    let copied = |fd: io::Result<OwnedFd>| fd.map_err(failed);
    let input = copied(input.as_fd().try_clone_to_owned())?;
    let output = copied(output.as_fd().try_clone_to_owned())?;
    let errors = copied(errors.as_fd().try_clone_to_owned())?;
    Ok(Pipes { input: readable(input), output: writable(output), errors: writable(errors) })
}

/// A pipe is waited for; anything else is read and written by a thread. A thread that waits for a pipe would hold up the end
/// of the program.
fn readable(stream: OwnedFd) -> Input {
    match stream.try_clone().and_then(pipe::Receiver::from_owned_fd) {
        Ok(pipe) => Box::new(pipe),
        Err(_) => Box::new(tokio::fs::File::from_std(File::from(stream))),
    }
}

fn writable(stream: OwnedFd) -> Output {
    match stream.try_clone().and_then(pipe::Sender::from_owned_fd) {
        Ok(pipe) => Box::new(pipe),
        Err(_) => Box::new(tokio::fs::File::from_std(File::from(stream))),
    }
}

/// Writes a manifest whole or not at all.
fn write(path: &Path, manifest: &Value) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    let beside = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(0o644)).tempfile_in(beside)?;
    file.write_all(format!("{manifest:#}\n").as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_12_a_link_of_the_helpers_name_is_the_helper() {
        let said = |words: &[&str]| as_helper(words.iter().map(std::ffi::OsString::from).collect());
        assert_eq!(
            said(&["/opt/bin/git-remote-build-resources", "origin", "u"]),
            ["build-resources", "git-remote", "origin", "u"]
        );
        assert_eq!(said(&["build-resources", "list"]), ["build-resources", "list"]);
        assert!(said(&[]).is_empty());
    }

    #[test]
    fn row_13_a_manifest_replaces_the_old_one() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("m.json");
        for text in ["one", "two"] {
            write(&path, &json!([{"name": text}])).unwrap();
            let found: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            assert_eq!(found, json!([{"name": text}]));
        }
        assert_eq!(std::fs::read_dir(room.path()).unwrap().count(), 1);
    }
}
