//! Captured and malformed answers, and databases that the host's own rpm made.

use std::fs;
use std::process::Command;

use extensions_manifest::{Capability, Relation, Requirement};

use super::*;
use crate::error::{Failure as _, Reason};

fn parsed(answer: &str) -> Result<Vec<extensions_manifest::BasePackage>, String> {
    let mut packages = parse::Packages::default();
    for line in answer.lines() {
        packages.line(line)?;
    }
    packages.finish()
}

/// What rpm 4.18 answered for two packages and a key.
const ANSWER: &str = "\
@\tgpg-pubkey\t0\tfd431d51\t4ae0493b\t(none)
P\tgpg(Red Hat, Inc. <security@redhat.com>)\t8\t4:199e2f91fd431d51-4ae0493b
@\tn\t0\t1\t2\tnoarch
P\tbare\t0\t
P\tn\t8\t1-2
@\ta\t3\t1\t2\tx86_64
P\ta\t8\t3:1-2
P\ta(x86-64)\t8\t3:1-2
C\tzz\t2\t4
C\ty\t16777226\t4
O\told\t2\t1:2-3
";

fn capability(name: &str, bound: Option<(Relation, &str)>) -> Capability {
    Capability::new(name, bound).unwrap()
}

#[test]
fn an_answer_that_is_not_understood_is_refused() {
    let table = [
        ("", "holds no package"),
        ("nonsense", "`nonsense` is not an answer"),
        ("@\ta\t0\t1\t2", "is not an answer"),
        ("@\ta\tx\t1\t2\tnoarch", "epoch that is no number"),
        ("@\ta\t0\t1\t2\t(none)", "package `a`"),
        ("@\ta/b\t0\t1\t2\tnoarch", "not a package name"),
        ("@\ta\t0\t1\t2\tnoarch\nP\tx\tmany\t1", "flags are no number"),
        ("@\ta\t0\t1\t2\tnoarch\nP\tx\t6\t1", "two directions"),
        ("@\ta\t0\t1\t2\tnoarch(none)\n", "package `a`"),
    ];
    for (answer, problem) in table {
        let error = parsed(answer).unwrap_err();
        assert!(error.contains(problem), "{answer:?}: {error}");
    }
}

#[test]
fn packages_are_read_with_what_they_provide_and_refuse() {
    let packages = parsed(ANSWER).unwrap();
    let names: Vec<String> = packages.iter().map(|package| package.nevra.to_string()).collect();
    assert_eq!(names, ["a-3:1-2.x86_64", "n-1-2.noarch"], "sorted, and without the key");
    let equal = Some((Relation::Equal, "3:1-2"));
    assert_eq!(packages[0].provides, [capability("a", equal), capability("a(x86-64)", equal)]);
    assert_eq!(
        packages[0].conflicts,
        [
            Requirement::Plain(capability("zz", Some((Relation::Less, "4")))),
            Requirement::Plain(capability("y", Some((Relation::LessOrEqual, "4")))),
        ]
    );
    assert_eq!(packages[0].obsoletes, [capability("old", Some((Relation::Less, "1:2-3")))]);
    assert_eq!(
        packages[1].provides,
        [capability("bare", None), capability("n", Some((Relation::Equal, "1-2")))]
    );
}

#[tokio::test]
async fn a_tree_without_a_database_is_refused_with_a_cure_and_gets_none() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("usr/share/rpm")).unwrap();
    let error = base(root.path(), &BTreeSet::new()).await.unwrap_err();
    assert_eq!(error.reason(), Reason::BaseUnreadable);
    assert!(error.cure().unwrap().contains("rpm --dbpath"), "{:?}", error.cure());
    assert_eq!(fs::read_dir(root.path().join("usr/share/rpm")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_link_out_of_the_deployment_is_not_followed() {
    let host = tree("usr/share/rpm", "tool");
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("usr/share")).unwrap();
    std::os::unix::fs::symlink(host.path().join("usr/share/rpm"), root.path().join("usr/share/rpm")).unwrap();
    let error = base(root.path(), &BTreeSet::new()).await.unwrap_err();
    assert_eq!(error.reason(), Reason::BaseUnreadable);
}

#[tokio::test]
async fn a_database_that_is_none_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let place = root.path().join("usr/share/rpm");
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("rpmdb.sqlite"), "not a database").unwrap();
    let error = base(root.path(), &BTreeSet::new()).await.unwrap_err();
    assert_eq!(error.reason(), Reason::BaseUnreadable);
    assert_eq!(fs::read(place.join("rpmdb.sqlite")).unwrap(), b"not a database");
}

/// A tree with a database in `place` that holds one package.
fn tree(place: &str, name: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let spec = root.path().join("x.spec");
    let text = format!(
        "Name: {name}\nVersion: 1\nRelease: 2\nEpoch: 3\nSummary: x\nLicense: x\nBuildArch: noarch\n\
         Provides: p(x) = 1.0\nConflicts: (bash and foo >= 2)\nObsoletes: old < 1:2-3\n%description\nx\n\
         %install\nmkdir -p %{{buildroot}}/usr/bin\ntouch %{{buildroot}}/usr/bin/{name} '%{{buildroot}}/usr/bin/a b'\n\
         %files\n/usr/bin/*\n"
    );
    fs::write(&spec, text).unwrap();
    let run = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let top = format!("_topdir {}", root.path().join("build").display());
    run(Command::new("rpmbuild").args(["-bb", "--define", &top]).arg(&spec));
    let package = root.path().join(format!("build/RPMS/noarch/{name}-1-2.noarch.rpm"));
    let database = root.path().join(place);
    fs::create_dir_all(&database).unwrap();
    run(Command::new("rpm")
        .arg("--dbpath")
        .arg(&database)
        .args(["--force-debian", "--nodeps", "--justdb", "-i"])
        .arg(package));
    root
}

fn contents(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let read = |entry: Result<fs::DirEntry, std::io::Error>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    };
    let mut all: Vec<_> = fs::read_dir(directory).unwrap().map(read).collect();
    all.sort();
    all
}

#[tokio::test]
async fn a_real_database_is_read_and_not_touched() {
    let root = tree("usr/share/rpm", "tool");
    let before = contents(&root.path().join("usr/share/rpm"));
    let paths = BTreeSet::from(["/usr/bin/tool".to_owned(), "/usr/bin/nobody".to_owned()]);
    let read = base(root.path(), &paths).await.unwrap();
    assert_eq!(read.packages.len(), 1);
    let package = &read.packages[0];
    assert_eq!(package.nevra.to_string(), "tool-3:1-2.noarch");
    assert_eq!(
        package.provides,
        [
            capability("p(x)", Some((Relation::Equal, "1.0"))),
            capability("tool", Some((Relation::Equal, "3:1-2")))
        ]
    );
    assert_eq!(package.conflicts, [Requirement::try_from("(bash and foo >= 2)".to_owned()).unwrap()]);
    assert_eq!(package.obsoletes, [capability("old", Some((Relation::Less, "1:2-3")))]);
    assert_eq!(read.files, BTreeSet::from(["/usr/bin/tool".to_owned()]));
    assert!(before == contents(&root.path().join("usr/share/rpm")), "the database was written to");
}

#[test]
fn the_base_of_a_layered_deployment_is_not_its_own_database() {
    let root = tempfile::tempdir().unwrap();
    for place in ["usr/share/rpm", "usr/lib/sysimage/rpm-ostree-base-db"] {
        fs::create_dir_all(root.path().join(place)).unwrap();
        fs::write(root.path().join(place).join("rpmdb.sqlite"), "x").unwrap();
        assert_eq!(find(root.path()).unwrap(), root.path().join(place));
    }
}
