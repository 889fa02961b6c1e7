//! The RPMs are real: rpm itself reads them, and finds fault with those that were hurt.

use std::fs;
use std::process::Command;

use proof::packages::tamper::{Part, tampered};
use proof::packages::{Release, Rpm, admin_tool, base, build_all, extensions, unsatisfiable};

fn query(file: &std::path::Path, what: &str) -> String {
    proof::command::run(Command::new("rpm").args(["-qp", "--nosignature", what]).arg(file))
}

#[test]
fn rpm_reads_what_was_described() {
    let rpm =
        Rpm::new("sample").evr(2, "1.5", "3.el9").requires("other >= 1:2").file("/usr/share/sample/a", "a");
    let file = rpm.build();
    assert_eq!(
        query(&file, "--queryformat=%{NAME} %{EPOCH} %{VERSION} %{RELEASE} %{ARCH}"),
        "sample 2 1.5 3.el9 x86_64"
    );
    assert!(query(&file, "--requires").contains("other >= 1:2\n"));
    assert!(query(&file, "--provides").contains("sample(x86-64) = 2:1.5-3.el9\n"));
    assert_eq!(query(&file, "--list"), "/usr/share/sample/a\n");
}

#[test]
fn the_same_description_gives_the_same_bytes_and_another_gives_others() {
    // Unlike any other, because what is kept of it is taken away.
    let plain = admin_tool().file("/usr/share/admin-tool/run", uuid::Uuid::new_v4().to_string());
    let first = fs::read(plain.build()).unwrap();
    fs::remove_dir_all(plain.build().parent().unwrap()).unwrap();
    assert!(first == fs::read(plain.build()).unwrap(), "two builds differ");
    let other = plain.clone().file("/usr/share/admin-tool/note", "x");
    assert_eq!(other.nevra(), plain.nevra());
    assert!(first != fs::read(other.build()).unwrap(), "other content, same bytes");
    for rpm in [plain, other] {
        fs::remove_dir_all(rpm.build().parent().unwrap()).unwrap();
    }
}

#[test]
fn rpm_finds_the_digests_of_every_package_good() {
    let mut all: Vec<Rpm> = base(Release::First);
    for release in [Release::First, Release::Second] {
        all.extend(extensions(release).into_iter().flat_map(|extension| extension.rpms));
    }
    all.extend(unsatisfiable().rpms);
    let checked = proof::command::run(Command::new("rpmkeys").args(["--checksig"]).args(build_all(&all)));
    assert!(checked.lines().all(|line| line.ends_with("digests OK")), "{checked}");
}

#[test]
fn a_hurt_file_is_found_by_rpm() {
    let whole = extensions(Release::First).remove(0).rpms.remove(0).build();
    for part in [Part::Header, Part::Payload, Part::PayloadEnd, Part::Truncated] {
        let file = tampered(&whole, part);
        assert_eq!(file.file_name(), whole.file_name());
        let status = Command::new("rpmkeys").arg("--checksig").arg(file).output().unwrap().status;
        assert!(!status.success(), "{part:?} went unnoticed");
    }
}

#[test]
fn an_rpm_for_another_architecture_says_so() {
    let file = Rpm::new("foreign").arch("aarch64").file("/usr/share/foreign", "x").build();
    assert_eq!(query(&file, "--queryformat=%{ARCH}"), "aarch64");
}

#[test]
fn filler_makes_a_package_as_large_as_asked() {
    let file = Rpm::new("large").filler(1 << 20).build();
    let size = fs::metadata(file).unwrap().len();
    assert!((1 << 20..(1 << 20) + 16_384).contains(&size), "{size} bytes");
}
