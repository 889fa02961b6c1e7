//! The last look at the files before they leave for rpm-ostreed.
//!
//! Decides: whether a descriptor is what the daemon needs: a regular file, open for reading only, at its start. A
//! writable one would let its owner change the bytes after they were verified; the daemon shares the offset with us.

use std::fs::File;
use std::io::Seek as _;
use std::os::fd::OwnedFd;

use extensions_manifest::Nevra;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::{HostError, LocalFile};

/// The descriptors of the files, checked and rewound, in their order.
///
/// # Errors
/// [`HostError::File`], for the first that cannot be handed over.
pub(super) fn checked(files: Vec<LocalFile>) -> Result<Vec<OwnedFd>, HostError> {
    files.into_iter().map(|LocalFile { nevra, fd }| check(&nevra, fd)).collect()
}

fn check(nevra: &Nevra, fd: OwnedFd) -> Result<OwnedFd, HostError> {
    let refused =
        |problem: &str| HostError::File { nevra: Box::new(nevra.clone()), problem: problem.to_owned() };
    let flags = fcntl(&fd, FcntlArg::F_GETFL).map_err(|error| refused(&error.to_string()))?;
    if OFlag::from_bits_truncate(flags) & OFlag::O_ACCMODE != OFlag::O_RDONLY {
        return Err(refused("it is open for writing"));
    }
    if OFlag::from_bits_truncate(flags).contains(OFlag::O_PATH) {
        return Err(refused("it is not open for reading"));
    }
    let mut file = File::from(fd);
    let metadata = file.metadata().map_err(|error| refused(&error.to_string()))?;
    if !metadata.is_file() {
        return Err(refused("it is not a regular file"));
    }
    if metadata.len() == 0 {
        return Err(refused("it is empty"));
    }
    file.rewind().map_err(|error| refused(&error.to_string()))?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::AsFd as _;

    use super::*;

    fn hand_over(file: impl Into<OwnedFd>) -> Result<Vec<OwnedFd>, HostError> {
        checked(vec![LocalFile { nevra: "a-1-1.noarch".parse().unwrap(), fd: file.into() }])
    }

    #[test]
    fn a_descriptor_that_could_change_or_block_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.rpm");
        std::fs::write(&path, "bytes").unwrap();
        let empty = dir.path().join("empty.rpm");
        File::create(&empty).unwrap();
        let writable = File::options().read(true).write(true).open(&path).unwrap();
        let append = File::options().append(true).open(&path).unwrap();
        let (pipe, _writer) = std::io::pipe().unwrap();
        let table: [(&str, OwnedFd); 5] = [
            ("open for writing", writable.into()),
            ("open for writing", append.into()),
            ("not a regular file", File::open(dir.path()).unwrap().into()),
            ("not a regular file", pipe.into()),
            ("empty", File::open(&empty).unwrap().into()),
        ];
        for (problem, fd) in table {
            let error = hand_over(fd).unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains("`a-1-1.noarch`"), "{error}");
        }
    }

    #[test]
    fn a_file_is_handed_over_from_its_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.rpm");
        std::fs::write(&path, "bytes").unwrap();
        let mut file = File::open(&path).unwrap();
        file.read_to_string(&mut String::new()).unwrap();
        let fds = hand_over(file).unwrap();
        let mut text = String::new();
        File::from(fds[0].as_fd().try_clone_to_owned().unwrap()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "bytes");
    }
}
