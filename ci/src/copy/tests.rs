//! Both halves of a copy against the script that runs in a container, here in a shell of this machine; and against archives
//! that nobody honest makes.

use std::fs::{self, File};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use sha2::Digest as _;
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use super::manifest::compare;
use super::pack::{Kind, pack};
use super::unpack::{Place, unpack};
use super::*;

fn shell(remote: &Remote, mode: &str, more: &[&str]) -> Child {
    let line = remote.call(mode, more);
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// A tree with everything that a copy may hold.
fn tree(dir: &Path) {
    fs::create_dir_all(dir.join("deep/er/still")).unwrap();
    fs::create_dir(dir.join("nothing here")).unwrap();
    fs::write(dir.join("empty"), "").unwrap();
    fs::write(dir.join("deep/er/ünïcode \u{1F600}"), "text").unwrap();
    fs::write(dir.join("-n"), "a name like an option").unwrap();
    fs::write(dir.join("two\nlines\\"), "a name of two lines").unwrap();
    fs::write(dir.join(format!("deep/{}", "long".repeat(60))), "a long name").unwrap();
    fs::write(dir.join("tool"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(dir.join("tool"), fs::Permissions::from_mode(0o4755)).unwrap();
    symlink("../tool", dir.join("deep/link")).unwrap();
    symlink("nowhere", dir.join("dangling")).unwrap();
    fs::hard_link(dir.join("tool"), dir.join("same")).unwrap();
    let mut sparse = File::create(dir.join("sparse")).unwrap();
    sparse.seek(SeekFrom::Start(8 << 20)).unwrap();
    sparse.write_all(b"end").unwrap();
    sparse.set_len(16 << 20).unwrap();
}

fn same(one: &Path, other: &Path) {
    let diff = Command::new("diff").arg("-r").arg("--no-dereference").args([one, other]).output().unwrap();
    assert!(diff.status.success(), "{}", String::from_utf8_lossy(&diff.stdout));
}

/// Nothing but these lies there.
fn only(dir: &Path, names: &[&str]) {
    let mut found: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    assert_eq!(found, names);
}

fn remote(path: &Path) -> Remote {
    Remote::of(path.to_str().unwrap()).unwrap()
}

fn fetched(from: &Path, to: &Path, bounds: Bounds) -> Result<Copied, CopyError> {
    let place = Place::beside(to)?;
    let mut far = shell(&remote(from), "send", &[]);
    let copied = unpack(far.stdout.take().unwrap(), &place, bounds);
    assert!(far.wait().is_ok());
    let copied = copied?;
    place.finish().map(|()| copied)
}

#[test]
fn row_18_a_tree_that_is_fetched_is_the_same() {
    let dir = TempDir::new().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    tree(&from);
    let copied = fetched(&from, &to, Bounds::default()).unwrap();
    same(&from, &to);
    only(dir.path(), &["from", "to"]);
    assert_eq!(copied.entries, 15);
    let mode = |name: &str| fs::metadata(to.join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("tool"), 0o755, "what it may do is kept, what it may do as somebody else is not");
    let blocks = std::os::unix::fs::MetadataExt::blocks(&fs::metadata(to.join("sparse")).unwrap());
    assert!(blocks * 512 < 1 << 20, "holes stay holes: {blocks}");
}

#[test]
fn row_18_one_file_is_fetched_and_takes_the_place_of_another() {
    let dir = TempDir::new().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    fs::write(&from, "new").unwrap();
    fs::write(&to, "old").unwrap();
    fetched(&from, &to, Bounds::default()).unwrap();
    assert_eq!(fs::read_to_string(&to).unwrap(), "new");
    only(dir.path(), &["from", "to"]);
}

#[test]
fn row_18_a_directory_is_not_put_over_another() {
    let dir = TempDir::new().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    tree(&from);
    fs::create_dir(&to).unwrap();
    assert!(matches!(fetched(&from, &to, Bounds::default()), Err(CopyError::Local { .. })));
    only(&to, &[]);
}

#[test]
fn row_18_a_tree_that_is_put_is_the_same() {
    let dir = TempDir::new().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    tree(&from);
    let far = remote(&to);
    let mut receiving = shell(&far, "receive", &["dir", "n1"]);
    let (digests, copied) =
        pack(&from, "to".as_ref(), Kind::Dir, receiving.stdin.take().unwrap(), Bounds::default()).unwrap();
    compare(digests, &mut BufReader::new(receiving.stdout.take().unwrap())).unwrap();
    assert!(!to.exists(), "nothing is there before it is proven");
    assert!(shell(&far, "commit", &["dir", "n1"]).wait().unwrap().success());
    assert!(receiving.wait().unwrap().success());
    same(&from, &to);
    only(dir.path(), &["from", "to"]);
    assert_eq!(copied.entries, 14);
    let again = shell(&far, "receive", &["dir", "n2"]).wait().unwrap();
    assert_eq!(again.code(), Some(73), "a directory is not put over another");
}

#[test]
fn row_18_what_was_put_and_not_proven_goes_away_with_its_session() {
    let dir = TempDir::new().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    tree(&from);
    let mut receiving = shell(&remote(&to), "receive", &["dir", "n1"]);
    pack(&from, "to".as_ref(), Kind::Dir, receiving.stdin.take().unwrap(), Bounds::default()).unwrap();
    let mut said = String::new();
    let mut lines = BufReader::new(receiving.stdout.take().unwrap());
    while !said.ends_with("end\n") {
        std::io::BufRead::read_line(&mut lines, &mut said).unwrap();
    }
    receiving.kill().unwrap(); // as the kernel does, so that it can clean up nothing
    receiving.wait().unwrap();
    let gone = (0..1000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::read_dir(dir.path()).unwrap().count() == 1
    });
    assert!(gone);
}

#[test]
fn row_18_a_stream_that_is_cut_anywhere_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let from = dir.path().join("from");
    fs::create_dir(&from).unwrap();
    fs::write(from.join("a"), [7; 3000]).unwrap();
    fs::write(from.join("b"), "b").unwrap();
    let mut far = shell(&remote(&from), "send", &[]);
    let mut stream = Vec::new();
    far.stdout.take().unwrap().read_to_end(&mut stream).unwrap();
    assert!(far.wait().unwrap().success());
    let step = stream.len() / 97;
    for cut in (0..stream.len()).step_by(step).chain([stream.len() - 1]) {
        let place = Place::beside(&dir.path().join("to")).unwrap();
        assert!(unpack(&stream[..cut], &place, Bounds::default()).is_err(), "{cut}");
        drop(place);
        only(dir.path(), &["from"]);
    }
    let place = Place::beside(&dir.path().join("to")).unwrap();
    unpack(stream.as_slice(), &place, Bounds::default()).unwrap();
}

/// An archive of a directory with these entries in it: name, kind, link, content.
type Odd<'a> = (&'a str, EntryType, &'a str, &'a str);

fn archive(entries: &[Odd<'_>]) -> Vec<u8> {
    let mut out = Builder::new(Vec::new());
    for (name, kind, link, content) in [("./", EntryType::Directory, "", "")].iter().chain(entries) {
        let mut header = Header::new_gnu();
        let old = header.as_old_mut(); // by hand: the library refuses such names
        old.name[..name.len()].copy_from_slice(name.as_bytes());
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.set_cksum();
        out.append(&header, content.as_bytes()).unwrap();
    }
    let mut stream = out.into_inner().unwrap();
    for (name, kind, _, content) in entries {
        if kind.is_file() {
            let digest = hex::encode(sha2::Sha256::digest(content.as_bytes()));
            stream.extend_from_slice(format!("{digest}  {name}\n").as_bytes());
        }
    }
    stream.extend_from_slice(b"end\n");
    stream
}

#[test]
fn row_18_what_leaves_the_copy_is_refused() {
    use EntryType::{Block, Char, Directory, Fifo, Link, Regular, Symlink};
    let good: Odd<'_> = ("a", Regular, "", "text");
    for (odd, why) in [
        (&[good, ("../b", Regular, "", "x")][..], "leaves"),
        (&[("a/../../b", Regular, "", "x")], "leaves"),
        (&[("/etc/b", Regular, "", "x")], "absolute"),
        (&[("dev", Char, "", "")], "no file"),
        (&[("dev", Block, "", "")], "no file"),
        (&[("pipe", Fifo, "", "")], "no file"),
        (&[("l", Symlink, "/etc/passwd", "")], "absolute"),
        (&[("l", Symlink, "../x", "")], "leaves"),
        (&[("d", Directory, "", ""), ("d/l", Symlink, "..", ""), ("m", Symlink, "d/l/..", "")], "again"),
        (&[("h", Link, "/etc/passwd", "")], "absolute"),
        (&[("h", Link, "../x", "")], "leaves"),
        (&[("h", Link, "nowhere", "")], "no file of the copy"),
        (&[("l", Symlink, ".", ""), ("l/b", Regular, "", "x")], "directory of the copy"),
        (&[("l", Symlink, "a", ""), ("h", Link, "l", "")], "no file of the copy"),
        (&[good, good], "twice"),
        (&[("b/c", Regular, "", "x")], "directory of the copy"),
    ] {
        let dir = TempDir::new().unwrap();
        let place = Place::beside(&dir.path().join("to")).unwrap();
        match unpack(archive(odd).as_slice(), &place, Bounds::default()) {
            Err(CopyError::Refused { why: said, .. }) if said.contains(why) => {}
            other => panic!("{odd:?}: {other:?}"),
        }
        drop(place);
        only(dir.path(), &[]);
    }
}

#[test]
fn row_18_a_copy_has_bounds() {
    use EntryType::{GNULongName, Regular};
    let entries = [("a", Regular, "", "text"), ("b", Regular, "", "more")];
    let unpacked = |bounds| {
        let dir = TempDir::new().unwrap();
        unpack(archive(&entries).as_slice(), &Place::beside(&dir.path().join("to")).unwrap(), bounds)
    };
    assert_eq!(unpacked(Bounds { entries: 3, bytes: 8 }).unwrap(), Copied { entries: 3, bytes: 8 });
    assert!(matches!(unpacked(Bounds { entries: 2, bytes: 8 }), Err(CopyError::TooLarge(_))));
    assert!(matches!(unpacked(Bounds { entries: 3, bytes: 7 }), Err(CopyError::TooLarge(_))));
    // A name is read into memory; one of two megabytes is not.
    let name = "x".repeat(2 << 20);
    let dir = TempDir::new().unwrap();
    let long = archive(&[("l", GNULongName, "", &name), ("a", Regular, "", "")]);
    let place = Place::beside(&dir.path().join("to")).unwrap();
    assert!(matches!(unpack(long.as_slice(), &place, Bounds::default()), Err(CopyError::Stream(_))));
}

#[test]
fn row_18_a_file_that_changed_on_the_way_is_not_taken() {
    let dir = TempDir::new().unwrap();
    let mut stream = archive(&[("a", EntryType::Regular, "", "text")]);
    let at = stream.windows(4).position(|bytes| bytes == b"text").unwrap();
    stream[at] = b'T';
    let place = Place::beside(&dir.path().join("to")).unwrap();
    assert!(matches!(unpack(stream.as_slice(), &place, Bounds::default()), Err(CopyError::Different { .. })));
}

#[test]
fn row_18_what_leaves_a_local_tree_is_not_sent() {
    for link in ["/etc/passwd", "../outside"] {
        let dir = TempDir::new().unwrap();
        symlink(link, dir.path().join("l")).unwrap();
        let packed = pack(dir.path(), "x".as_ref(), Kind::Dir, std::io::sink(), Bounds::default());
        assert!(matches!(packed, Err(CopyError::Refused { .. })), "{link}");
    }
}

#[test]
fn a_path_in_a_container_has_a_directory_and_a_name() {
    let remote = |path: &str| Remote::of(path).map(|remote| (remote.dir, remote.name));
    for (path, dir, name) in [("/a/b", "/a", "b"), ("/a/", "/", "a"), ("a", ".", "a"), ("a/b/c", "a/b", "c")]
    {
        assert_eq!(remote(path).unwrap(), (dir.to_owned(), name.to_owned()));
    }
    for bad in ["", "/", "..", "/a/..", "a/.", "//"] {
        assert!(matches!(remote(bad), Err(CopyError::Path(_))), "{bad}");
    }
}
