//! Copies into a container and out of it: the same on both sides, or not there.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use proof::process::Finished;
use proof::relay::Relay;
use proof::wait;

use super::exec::ready;
use crate::bed::arg;
use crate::size;

/// Bytes that do not repeat soon, and do not compress.
fn noise(file: &mut File, mut bytes: u64) {
    let mut state = 88_172_645_463_325_252_u64;
    while bytes > 0 {
        let mut block = Vec::with_capacity(1 << 16);
        while block.len() < 1 << 16 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            block.extend_from_slice(&state.to_le_bytes());
        }
        let length = bytes.min(1 << 16);
        file.write_all(&block[..usize::try_from(length).unwrap()]).unwrap();
        bytes -= length;
    }
}

/// A tree with everything that a copy may meet.
fn tree(dir: &Path) {
    fs::create_dir_all(dir.join("a/b/c")).unwrap();
    fs::create_dir(dir.join("empty directory")).unwrap();
    fs::write(dir.join("empty"), "").unwrap();
    fs::write(dir.join("a/ünïcode \u{1F600}"), "text").unwrap();
    symlink("../empty", dir.join("a/link")).unwrap();
    let mib = size::TREE.now();
    let mut sparse = File::create(dir.join("a/b/sparse")).unwrap();
    sparse.seek(SeekFrom::Start((mib << 20) / 2)).unwrap();
    noise(&mut sparse, 5000);
    sparse.set_len(mib << 20).unwrap();
    noise(&mut File::create(dir.join("a/b/c/dense")).unwrap(), (mib << 20) / 3);
    for at in 0..size::FILES.now() {
        let place = dir.join(format!("many/{}", at % 100));
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join(at.to_string()), at.to_string()).unwrap();
    }
}

fn same(one: &Path, other: &Path) {
    let diff = Command::new("diff").arg("-r").arg("--no-dereference").args([one, other]).output().unwrap();
    assert!(diff.status.success(), "{}", String::from_utf8_lossy(&diff.stdout));
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn row_18_a_tree_goes_in_and_comes_out_the_same() {
    let Some(bed) = ready() else { return };
    let (from, back) = (bed.path("from"), bed.path("back"));
    tree(&from);
    bed.run(&["put", "b", "machine", arg(&from), "/var/tmp/tree"]).expect_success();
    let listed = bed.exec(&["ls", "-A", "/var/tmp"]).expect_success().stdout;
    assert_eq!(listed, "tree\n");
    bed.run(&["fetch", "b", "machine", "/var/tmp/tree", arg(&back)]).expect_success();
    same(&from, &back);
    let again = bed.run(&["put", "b", "machine", arg(&from), "/var/tmp/tree"]);
    assert_eq!(again.code(), Some(73), "{again:#?}");
    let none = bed.run(&["fetch", "b", "machine", "/var/tmp/nope", arg(&bed.path("nope"))]);
    assert_eq!((none.code(), bed.path("nope").exists()), (Some(66), false), "{none:#?}");
    // One file, over another.
    fs::write(bed.path("one"), "old").unwrap();
    bed.run(&["put", "b", "machine", arg(&from.join("a/b/c/dense")), "/var/tmp/one"]).expect_success();
    bed.run(&["fetch", "b", "machine", "/var/tmp/one", arg(&bed.path("one"))]).expect_success();
    same(&from.join("a/b/c/dense"), &bed.path("one"));
    bed.run(&["release", "b"]).expect_success();
}

#[test]
fn row_18_a_copy_that_is_cut_in_the_middle_leaves_nothing() {
    let Some(bed) = ready() else { return };
    let relay = Relay::to(bed.cluster.address());
    let kubeconfig = bed.through(&relay);
    let local = bed.path("big");
    noise(&mut File::create(&local).unwrap(), 12 << 20);
    bed.run(&["put", "b", "machine", arg(&local), "/var/tmp/big"]).expect_success();
    let before = names(bed.dir.path());

    relay.cut_after(Some(4 << 20));
    let out = bed.path("out");
    let cut = Finished::of(bed.start_as(&kubeconfig, &["fetch", "b", "machine", "/var/tmp/big", arg(&out)]));
    assert_eq!(cut.code(), Some(75), "{cut:#?}");
    assert_eq!(names(bed.dir.path()), before);
    relay.cut_after(None);

    let sent = relay.bytes_received();
    let child = bed.start_as(&kubeconfig, &["put", "b", "machine", arg(&local), "/srv-copy"]);
    wait::until("a third of it to be sent", || {
        let now = relay.bytes_received() - sent;
        if now > 4 << 20 { Ok(()) } else { Err(format!("{now} bytes")) }
    });
    relay.lead_to(None);
    let cut = Finished::of(child);
    assert_eq!(cut.code(), Some(75), "{cut:#?}");
    wait::until("what was written to be gone", || {
        let left = bed.exec(&["sh", "-c", "ls -A / | grep -e srv-copy -e build-resources"]).stdout;
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
    bed.run(&["release", "b"]).expect_success();
}

#[test]
fn row_18_what_a_container_may_not_send_is_refused() {
    let Some(bed) = ready() else { return };
    let out = bed.path("out");
    for make in ["ln -s /etc/passwd", "ln -s ../.. up;:", "mkfifo", "mknod -m 600 dev c 1 3;:"] {
        bed.exec(&["sh", "-c", &format!("rm -rf /var/tmp/t; mkdir /var/tmp/t; cd /var/tmp/t; {make} x")])
            .expect_success();
        let refused = bed.run(&["fetch", "b", "machine", "/var/tmp/t", arg(&out)]);
        assert_eq!((refused.code(), out.exists()), (Some(73), false), "{make}: {refused:#?}");
    }
    bed.exec(&["sh", "-c", "rm -rf /var/tmp/t; mkdir /var/tmp/t; echo 1234 >/var/tmp/t/x"]).expect_success();
    let large = bed.run(&["fetch", "b", "machine", "/var/tmp/t", arg(&out), "--max-bytes", "4"]);
    assert_eq!((large.code(), out.exists()), (Some(73), false), "{large:#?}");
    bed.run(&["release", "b"]).expect_success();
}
