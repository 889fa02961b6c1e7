//! Copies files into a node and out of it: whole and proven, or not at all.
//!
//! Decides: when a copy is proven. Must not: choose the pod. Input: a target and two paths; what comes out of a container is
//! untrusted.
//!
//! A copy travels as a tar stream. After it the far side tells the SHA-256 of every file, as it sees them, and only when both
//! sides agree on all of them is what was written moved to its place, by one rename. The image needs sh, tar, find and
//! sha256sum, which coreutils or busybox have.

mod error;
mod manifest;
mod pack;
mod place;
mod unpack;

use std::ffi::OsStr;
use std::io::BufReader;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tokio::select;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::io::SyncIoBridge;

pub use error::CopyError;

use crate::exec::{self, ExecError, Exit, Target};
use manifest::compare;

/// What runs in the container.
const SCRIPT: &str = include_str!("remote.sh");
/// Bytes on their way.
const BUFFER: usize = 256 << 10;
/// Most of what the far side says of its troubles.
const TROUBLE: usize = 4 << 10;

/// How long a session may take to say why it ended our streams.
const GOODBYE: Duration = Duration::from_secs(2);

/// How much one copy may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Most files, directories and links.
    pub entries: u64,
    /// Most bytes of all files.
    pub bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { entries: 1_000_000, bytes: 64 << 30 }
    }
}

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Files, directories and links.
    pub entries: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

/// A path in a container: the directory that it is in, and its name there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Remote {
    dir: String,
    name: String,
}

impl Remote {
    fn of(path: &str) -> Result<Self, CopyError> {
        let trimmed = path.trim_end_matches('/');
        let (dir, name) = match trimmed.rsplit_once('/') {
            Some(("", name)) => ("/", name),
            Some((dir, name)) => (dir, name),
            None => (".", trimmed),
        };
        if matches!(name, "" | "." | "..") || name.len() > 200 || path.contains('\0') {
            return Err(CopyError::Path(path.to_owned()));
        }
        Ok(Remote { dir: dir.to_owned(), name: name.to_owned() })
    }

    fn call(&self, mode: &str, more: &[&str]) -> Vec<String> {
        let mut line =
            ["sh", "-c", SCRIPT, "build-resources", mode, &self.dir, &self.name].map(str::to_owned).to_vec();
        line.extend(more.iter().map(|&word| word.to_owned()));
        line
    }
}

/// Copies a file or a directory out of a container. `local` must not be there, unless it is a file and so is what comes. After
/// an error nothing of the copy is there. Safe to repeat.
///
/// # Errors
/// When the way was lost, an entry is refused, a bound is exceeded, or the digests are different.
pub async fn fetch(target: &Target, remote: &str, local: &Path, bounds: Bounds) -> Result<Copied, CopyError> {
    let remote = Remote::of(remote)?;
    let line = remote.call("send", &[]);
    let place = unpack::Place::beside(local)?;
    let (stdout, far) = duplex(BUFFER);
    let far = SyncIoBridge::new(far);
    let unpacking = spawn_blocking(move || {
        let copied = unpack::unpack(far, &place, bounds)?;
        Ok::<_, CopyError>((place, copied))
    });
    let (session, unpacked) = tokio::join!(self::session(target, &line, None, stdout), unpacking);
    let unpacked = unpacked.map_err(|error| CopyError::Bug(error.to_string()))?;
    let (place, copied) = agree(session, unpacked)?;
    place.finish()?;
    Ok(copied)
}

/// Copies a file or a directory into a container. `remote` must not be there, unless it is a file and so is `local`. Safe to
/// repeat.
///
/// # Errors
/// When the way was lost, an entry is refused, a bound is exceeded, or the digests are different. What was written is then
/// removed again; after a lost answer to the last step, the copy may be there as a whole.
pub async fn put(target: &Target, local: &Path, remote: &str, bounds: Bounds) -> Result<Copied, CopyError> {
    let remote = Remote::of(remote)?;
    let kind = pack::Kind::of(local)?;
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let line = remote.call("receive", &[kind.as_str(), &nonce]);
    let ((stdin, near), (stdout, far)) = (duplex(BUFFER), duplex(BUFFER));
    let (near, far) = (SyncIoBridge::new(near), SyncIoBridge::new(far));
    let (from, name) = (local.to_owned(), remote.name.clone());
    let packing = spawn_blocking(move || pack::pack(&from, OsStr::new(&name), kind, near, bounds));
    let both = async {
        let packed = packing.await.map_err(|error| CopyError::Bug(error.to_string()))??;
        // The far side has to say the same before anything is moved to its place.
        let (digests, copied) = packed;
        let compared = spawn_blocking(move || compare(digests, &mut BufReader::new(far))).await;
        compared.map_err(|error| CopyError::Bug(error.to_string()))??;
        let line = remote.call("commit", &[kind.as_str(), &nonce]);
        let (stdout, _unread) = duplex(TROUBLE);
        settled(self::session(target, &line, None, stdout).await)?;
        Ok(copied)
    };
    let (mut session, mut both) = (pin!(self::session(target, &line, Some(stdin), stdout)), pin!(both));
    let (session, copied) = select! {
        session = &mut session => (Some(session), both.await), // its streams are gone, so what uses them ends too
        copied = &mut both => match copied {
            Ok(copied) => (Some(session.await), Ok(copied)),
            Err(error) => (timeout(GOODBYE, session).await.ok(), Err(error)),
        }
    };
    if copied.is_err() {
        let line = remote.call("discard", &[kind.as_str(), &nonce]);
        let (stdout, _unread) = duplex(TROUBLE);
        let _ = self::session(target, &line, None, stdout).await; // where it is lost, the far side cleans up by itself
    }
    match session {
        Some(session) => agree(session, copied),
        None => copied,
    }
}

/// One session, and the first words of its stderr.
async fn session(
    target: &Target,
    line: &[String],
    stdin: Option<DuplexStream>,
    stdout: DuplexStream,
) -> Result<(Exit, String), ExecError> {
    let (stderr, mut trouble) = duplex(TROUBLE);
    let heard = async {
        let (mut text, mut buffer) = (Vec::new(), vec![0; TROUBLE]);
        while let Ok(length @ 1..) = trouble.read(&mut buffer).await {
            let room = TROUBLE.saturating_sub(text.len()).min(length);
            text.extend_from_slice(buffer.get(..room).unwrap_or_default());
        }
        String::from_utf8_lossy(&text).trim_end().to_owned()
    };
    let run = async {
        match stdin {
            Some(stdin) => exec::run(target, line, stdin, stdout, stderr).await,
            None => exec::watch(target, line, stdout, stderr).await,
        }
    };
    let (exit, trouble) = tokio::join!(run, heard);
    exit.map(|exit| (exit, trouble))
}

/// What the far side ended with.
fn settled(session: Result<(Exit, String), ExecError>) -> Result<(), CopyError> {
    match session? {
        (Exit { code: 0 }, _) => Ok(()),
        (Exit { code }, trouble) => Err(CopyError::Far { code, trouble }),
    }
}

/// Both sides must have ended well. Where they did not, the first cause is told: what we refused ends the session too, and a
/// session that broke ends the stream.
fn agree<T>(session: Result<(Exit, String), ExecError>, ours: Result<T, CopyError>) -> Result<T, CopyError> {
    match (settled(session), ours) {
        (Ok(()), ours) => ours,
        (Err(_), Err(ours)) if ours.is_first() => Err(ours),
        (Err(far), _) => Err(far),
    }
}

#[cfg(test)]
mod tests;
