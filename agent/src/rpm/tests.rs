//! Packages that are wrong at one place, twenty thousand mutations, and one that rpmbuild made.

use super::craft::{Craft, EQUAL, GREATER, LESS, MISSING_OK, Value, assemble, craft, header};
use super::guard::{Part, check_header};
use super::*;
use crate::error::{Failure, Reason, chain};

fn read(file: &[u8]) -> Result<Verified<Package>, RpmError> {
    inspect(&mut &file[..], file.len() as u64)
}

/// `file` is refused as corrupt, and the error says `word`.
fn assert_refused(what: &str, file: &[u8], word: &str) {
    let error = read(file).expect_err(what);
    assert_eq!(error.reason(), Reason::CorruptPackage, "{what}: {}", chain(&error));
    assert!(chain(&error).contains(word), "{what}: {}", chain(&error));
}

#[test]
fn a_package_cut_off_anywhere_is_refused() {
    let sound = craft("usbguard").build();
    assert!(read(&sound).is_ok());
    for end in 0..sound.len() {
        assert!(inspect(&mut &sound[..end], end as u64).is_err(), "cut at {end}");
    }
}

#[test]
fn one_flipped_bit_in_header_or_payload_is_refused_with_the_link_that_broke() {
    let craft = craft("usbguard");
    let mut file = craft.build();
    let last = file.len() - 1;
    file[last] ^= 1;
    assert_refused("payload", &file, "the payload of the package has digest");

    let mut file = craft.build();
    let main = file.windows(9).position(|window| window == b"usbguard\0").unwrap();
    file[main] ^= 1;
    assert_refused("header", &file, "the header of the package has digest");
}

#[test]
fn bytes_behind_the_payload_are_refused() {
    let mut file = craft("usbguard").build();
    file.push(0);
    assert_refused("one more byte", &file, "the payload of the package has digest");
}

#[test]
fn a_size_that_the_archive_lies_about_is_refused() {
    let file = craft("usbguard").build();
    let error = inspect(&mut &file[..], file.len() as u64 + 1).unwrap_err();
    assert!(matches!(error, RpmError::Size { .. }), "{error}");
}

#[test]
fn a_missing_digest_is_a_refusal_and_not_a_pass() {
    let mut undigested = craft("usbguard");
    undigested.digests = false;
    assert_refused("no digest at all", &undigested.build(), "no SHA-256 of its header");
    let main = header(63, undigested.main_tags());
    undigested.signature_tags = vec![(273, Value::Text(extensions_manifest::Sha256Digest::of(&main).hex()))];
    assert_refused("no payload digest", &undigested.build(), "no SHA-256 of its payload");
}

#[test]
fn a_header_that_means_another_kind_of_thing_is_refused() {
    let base = || craft("usbguard");
    let cases: Vec<(&str, Craft, &str)> = vec![
        ("source package", base().tag(1106, Some(Value::Numbers(vec![1]))), "source package"),
        ("source architecture", base().text(1022, "src"), "source package"),
        ("other system", base().text(1021, "darwin"), "system `darwin`"),
        ("no name", base().tag(1000, None), "reading the header"),
        ("no version", base().tag(1001, None), "reading the header"),
        ("no architecture", base().tag(1022, None), "reading the header"),
        ("name is a number", base().tag(1000, Some(Value::Numbers(vec![1]))), "reading the header"),
        ("escape in the name", base().text(1000, "usb\x1bguard"), "package name"),
        ("blank in the version", base().version("1 0"), "version"),
        ("dash in the release", base().text(1002, "1-1"), "version"),
        ("path out of its directory", base().file("/usr/../etc/shadow"), "not the path of a file"),
        ("relative path", base().file("usr/bin/x"), "not the path of a file"),
        ("newline in a path", base().file("/usr/bin/x\ny"), "not the path of a file"),
        ("less and more at once", base().requires("x", LESS | GREATER, "1"), "less and more"),
    ];
    for (what, craft, word) in cases {
        assert_refused(what, &craft.build(), word);
    }
    let lead_says_source = {
        let mut file = base().build();
        file[7] = 1;
        file
    };
    assert_refused("lead", &lead_says_source, "source package");
}

#[test]
fn dependencies_and_paths_beyond_a_bound_are_refused_before_they_are_made() {
    let long = format!("({})", vec!["a"; 700].join(" or "));
    let rich = (0..40).fold(craft("usbguard"), |craft, _| craft.requires(&long, 0, ""));
    let many = (0..100_001).fold(craft("usbguard"), |craft, at| craft.requires(&format!("x{at}"), 0, ""));
    // A few bytes of header for each of many dependencies, and one directory for many files.
    let small = (0..99_000).fold(craft("usbguard"), |craft, _| craft.requires("a", 0, ""));
    let mut wide = craft("usbguard");
    wide.files.clear();
    wide.tags.push((1116, Value::Numbers(vec![0; 4000])));
    wide.tags.push((1117, Value::Texts((0..4000).map(|file| file.to_string()).collect())));
    wide.tags.push((1118, Value::Texts(vec![format!("/{}/", "d".repeat(4000))])));
    let cases = [("rich", rich), ("many", many), ("small", small), ("wide", wide)];
    for (what, craft) in cases {
        assert_eq!(read(&craft.build()).expect_err(what).reason(), Reason::LimitExceeded, "{what}");
    }
    let mut uneven = craft("usbguard").requires("a", 0, "");
    uneven.tags.push((1054, Value::Texts(vec!["a".into(), "b".into()])));
    assert_refused("names without flags", &uneven.build(), "2 dependencies have 0 flags");
}

#[test]
fn an_index_outside_librpms_bounds_is_refused_before_the_parser_sees_it() {
    let sound = header(63, craft("usbguard").main_tags());
    check_header(&sound, Part::Main).unwrap();
    let tags = u32::from_be_bytes(sound[8..12].try_into().unwrap()) as usize;
    let place = |tag: u32| {
        (1..tags).map(|entry| 16 + entry * 16).find(|at| sound[*at..at + 4] == tag.to_be_bytes()).unwrap()
    };
    let trailer = sound.len() - 16;
    let (name, size, provides) = (place(1000), place(1009), place(1047));
    for (what, at, value, word) in [
        ("magic", 0, 0x8ead_e802, "magic"),
        ("no tags", 8, 0, "tags"),
        ("too many tags", 8, 0x1_0000, "tags"),
        ("count times width wraps", 8, 0x1000_0001, "tags"),
        ("too much data", 12, 256 << 20, "bytes of data"),
        ("less data than claimed", 12, 1 << 20, "ends inside"),
        ("region of the other header", 16, 62, "region"),
        ("region of another type", 20, 6, "region"),
        ("region trailer far outside", 24, 0x7fff_ffff, "trailer"),
        ("region trailer at a negative offset", 24, 0xffff_fff0, "trailer"),
        ("trailer with another tag", trailer, 62, "trailer"),
        ("region over half of the index", trailer + 8, 32_u32.wrapping_neg(), "whole index"),
        ("offset outside", name + 8, 0x10_0000, "outside"),
        ("negative offset", name + 8, 0xffff_ff00, "outside"),
        ("unknown type", name + 4, 12, "unknown type"),
        ("null type", name + 4, 0, "unknown type"),
        ("one string, two values", name + 12, 2, "one string"),
        ("no value", name + 12, 0, "no value"),
        ("duplicate tag", name, 1001, "twice"),
        ("tag of the region range", name, 99, "regions"),
        ("values without end", size + 12, u32::MAX, "outside"),
        ("number over the one before", size + 8, 1, "overlaps"),
        ("strings without end", provides + 12, 200_000, "without an end"),
        ("more strings than anybody has", provides + 12, u32::MAX, "strings"),
    ] {
        let mut broken = sound.clone();
        broken[at..at + 4].copy_from_slice(&value.to_be_bytes());
        let error = check_header(&broken, Part::Main).expect_err(what);
        assert!(error.to_string().contains(word), "{what}: {error}");
    }
}

#[test]
fn twenty_thousand_mutated_packages_never_panic_and_never_pass() {
    let full = craft("usbguard").requires("libqb.so.0()(64bit)", 0, "").requires("(a if b)", 0, "");
    let sound = full.build();
    let facts = read(&sound).unwrap().get().facts.clone();
    let end_of_head = sound.len() - full.payload.len();
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for round in 0..20_000 {
        let mut file = sound.clone();
        for _ in 0..=next(4) {
            let at = 96 + next(end_of_head - 96);
            file[at] = next(256) as u8;
        }
        if let Ok(package) = read(&file) {
            // Reserved bytes, padding and tags that nobody reads may differ without meaning anything.
            assert_eq!(package.get().facts, facts, "round {round}");
        }
        // With the digest that the mutated header has, the parser itself is reached; it may pass, it must not panic.
        let _ = read(&resign(&file));
    }
}

/// The same main header and payload under a fresh signature header.
fn resign(file: &[u8]) -> Vec<u8> {
    let size = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    let signature = 16 + size(104).min(64) * 16 + size(108).min(4096);
    let main = (96 + signature).next_multiple_of(8).min(file.len());
    let rest = &file[main..];
    let length = match rest.get(8..16) {
        Some(sizes) => {
            let number = |at: usize| u32::from_be_bytes(sizes[at..at + 4].try_into().unwrap()) as usize;
            (16 + number(0).min(4096) * 16 + number(4).min(1 << 20)).min(rest.len())
        }
        None => rest.len(),
    };
    let digest = extensions_manifest::Sha256Digest::of(&rest[..length]).hex();
    assemble(&header(62, vec![(273, Value::Text(digest))]), &rest[..length], &rest[length..])
}

#[test]
fn a_sound_package_yields_its_facts_and_digests() {
    let file = craft("usbguard")
        .tag(1003, Some(Value::Numbers(vec![2])))
        .requires("libqb.so.100()(64bit)", 0, "")
        .requires("protobuf", GREATER | EQUAL, "3.14")
        .requires("(policy if selinux)", 0, "")
        .requires("docs", MISSING_OK, "")
        .requires("/bin/sh", 0, "")
        .build();
    let verified = read(&file).unwrap();
    let package = verified.get();
    assert_eq!(package.facts.nevra.to_string(), "usbguard-2:1.0-1.el9.x86_64");
    let shown: Vec<String> = package.facts.requires.iter().cloned().map(String::from).collect();
    assert_eq!(
        shown,
        ["libqb.so.100()(64bit)", "protobuf >= 3.14", "(policy if selinux)", "/bin/sh"],
        "in the order of the header, without what may be missing"
    );
    assert_eq!(package.facts.files, ["/usr/bin/usbguard"]);
    assert_eq!(package.facts.required_paths().collect::<Vec<_>>(), ["/bin/sh"]);
    assert_eq!((package.size, package.installed_size), (file.len() as u64, 4096));
    assert_eq!(package.file, extensions_manifest::Sha256Digest::of(&file));
    let head = file.len() - b"the payload of usbguard".len();
    assert_eq!(package.head, extensions_manifest::Sha256Digest::of(&file[..head]));
    assert_eq!(package.signature, Signature::NotChecked);
}

#[test]
fn a_package_that_rpmbuild_made_passes_and_says_the_same_as_rpm() {
    let dir = tempfile::tempdir().unwrap();
    let spec = "Name: probe\nEpoch: 3\nVersion: 1.2~rc1\nRelease: 4%{?x}\nSummary: s\nLicense: MIT\n\
        Requires: /bin/sh, bash >= 4, (a if b)\nConflicts: old < 1\nObsoletes: older < 2\n\
        Provides: virtual(probe) = 7\n%description\nd\n%install\nmkdir -p %{buildroot}/usr/share/probe\n\
        echo hello > %{buildroot}/usr/share/probe/data\n%post\ntrue\n%files\n/usr/share/probe\n";
    std::fs::write(dir.path().join("probe.spec"), spec).unwrap();
    let built = std::process::Command::new("rpmbuild")
        .args(["-bb", "--quiet", "--target", "x86_64", "--define"])
        .arg(format!("_topdir {}", dir.path().display()))
        .arg(dir.path().join("probe.spec"))
        .output()
        .expect("rpmbuild is installed");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let path = dir.path().join("RPMS/x86_64/probe-1.2~rc1-4.x86_64.rpm");
    let file = std::fs::read(&path).unwrap();
    let verified = read(&file).unwrap();
    let facts = &verified.get().facts;
    assert_eq!(facts.nevra.to_string(), "probe-3:1.2~rc1-4.x86_64");
    let query = |what: &str| {
        let asked = std::process::Command::new("rpm").args(["-qp", what]).arg(&path).output().unwrap();
        let mut lines: Vec<String> =
            String::from_utf8(asked.stdout).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines.dedup();
        lines
    };
    let sorted = |mut shown: Vec<String>| {
        shown.sort();
        shown.dedup();
        shown
    };
    assert_eq!(sorted(facts.requires.iter().cloned().map(String::from).collect()), query("--requires"));
    assert_eq!(sorted(facts.provides.iter().cloned().map(String::from).collect()), query("--provides"));
    assert_eq!(sorted(facts.conflicts.iter().cloned().map(String::from).collect()), query("--conflicts"));
    assert_eq!(sorted(facts.obsoletes.iter().cloned().map(String::from).collect()), query("--obsoletes"));
    assert_eq!(sorted(facts.files.clone()), query("-l"));
}
