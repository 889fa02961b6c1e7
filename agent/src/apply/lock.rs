//! One instance a host: whoever changes the host or the agent's own state shows this lock.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::error::ApplyError;

/// The proof that no other instance works on this host. The kernel gives the lock back however the process ends.
#[derive(Debug)]
pub struct HostLock {
    _file: Flock<std::fs::File>,
}

impl HostLock {
    pub(super) fn take(path: PathBuf) -> Result<Self, ApplyError> {
        let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let failed = |source| ApplyError::State { operation: "locking", path: path.clone(), source };
        match Flock::lock(opened.map_err(failed)?, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Self { _file: file }),
            Err((_, Errno::EWOULDBLOCK)) => Err(ApplyError::AnotherInstance { path }),
            Err((_, errno)) => Err(failed(errno.into())),
        }
    }
}
