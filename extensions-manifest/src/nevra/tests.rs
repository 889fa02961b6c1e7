//! Order and text of versions and NEVRAs, against rpm's own answers.

use std::cmp::Ordering::{self, Equal, Greater, Less};

use proptest::prelude::*;

use super::{Evr, Nevra, compare_versions};

#[test]
fn versions_are_ordered_as_rpm_orders_them() {
    // Well-known cases of rpm's own test suite; every answer was asked of rpm 4.18 (`rpm.vercmp`).
    let cases: [(&str, &str, Ordering); 46] = [
        ("1.0", "1.0", Equal),
        ("1.0", "2.0", Less),
        ("2.0.1", "2.0", Greater),
        ("2.0.1a", "2.0.1", Greater),
        ("5.5p1", "5.5p10", Less),
        ("5.5p10", "5.5p2", Greater),
        ("10xyz", "10.1xyz", Less),
        ("xyz10", "xyz10.1", Less),
        ("xyz.4", "8", Less),
        ("xyz.4", "2", Less),
        ("5.5p2", "5.6p1", Less),
        ("5.6p1", "6.5p1", Less),
        ("6.0.rc1", "6.0", Greater),
        ("10b2", "10a1", Greater),
        ("1.0aa", "1.0a", Greater),
        ("10.0001", "10.1", Equal),
        ("10.0001", "10.0039", Less),
        ("4.999.9", "5.0", Less),
        ("20101121", "20101122", Less),
        ("2_0", "2.0", Equal),
        ("a+", "a_", Equal),
        ("a+a", "aa", Less),
        ("+a", "a", Equal),
        ("1.0.", "1.0", Equal),
        ("1.", "1", Equal),
        ("", "", Equal),
        ("", "0", Less),
        ("", "~", Greater),
        ("", "^", Less),
        ("1", "01", Equal),
        ("0", "000", Equal),
        ("99999999999999999999", "100000000000000000000", Less),
        ("1.0~rc1", "1.0", Less),
        ("1.0~rc1", "1.0~rc2", Less),
        ("1.0~rc1~git123", "1.0~rc1", Less),
        ("1.0~~", "1.0~", Less),
        ("1.0^", "1.0", Greater),
        ("1.0^git1", "1.0^git2", Less),
        ("1.0^git1", "1.01", Less),
        ("1.0^20160101", "1.0.1", Less),
        ("1.0^20160102", "1.0^20160101^git1", Greater),
        ("1.0~rc1^git1", "1.0~rc1", Greater),
        ("1.0^git1~pre", "1.0^git1", Less),
        ("1.0^", "1.0~", Greater),
        ("1b.fc17", "1.fc17", Less),
        ("1g.fc17", "1.fc17", Greater),
    ];
    for (left, right, order) in cases {
        assert_eq!(compare_versions(left, right), order, "{left:?} and {right:?}");
        assert_eq!(compare_versions(right, left), order.reverse(), "{right:?} and {left:?}");
    }
}

#[test]
fn the_epoch_decides_before_version_and_release() {
    let evr = |epoch, version, release| Evr::new(epoch, version, release).unwrap();
    assert!(evr(1, "1", "1") > evr(0, "9", "9"));
    assert!(evr(0, "1.10", "1") > evr(0, "1.9", "9"));
    assert!(evr(0, "1", "10.el9") > evr(0, "1", "9.el9"));
    // rpm sees no difference here; identity does.
    assert_eq!(evr(0, "1.0", "1").rpm_cmp(&evr(0, "1.00", "1")), Equal);
    assert_ne!(evr(0, "1.0", "1"), evr(0, "1.00", "1"));
}

#[test]
fn a_nevra_is_written_as_rpm_ostree_writes_it() {
    for text in [
        "bash-5.1.8-9.el9.x86_64",
        "bind-libs-32:9.16.23-18.el9.x86_64",
        "python3.11-3.11.7-1.el9.noarch",
        "gcc-c++-11.4~rc1-2^git.x86_64",
        "two-node-ha-1-1.src",
    ] {
        assert_eq!(text.parse::<Nevra>().unwrap().to_string(), text);
    }
    let odd: Nevra = "a-00:1-1.noarch".parse().unwrap();
    assert_eq!(odd.to_string(), "a-1-1.noarch");
    let parts: Nevra = "bind-libs-32:9.16.23-18.el9.x86_64".parse().unwrap();
    assert_eq!((parts.name().as_str(), parts.evr().epoch(), parts.arch()), ("bind-libs", 32, "x86_64"));
    assert_eq!((parts.evr().version(), parts.evr().release()), ("9.16.23", "18.el9"));
}

#[test]
fn what_is_not_a_nevra_is_refused() {
    let long = format!("{}-1-1.noarch", "a".repeat(300));
    let version = format!("a-{}-1.noarch", "1".repeat(300));
    for bad in [
        "",
        "a",
        "a.noarch",
        "a-1.noarch",
        "-1-1.noarch",
        "a--1.noarch",
        "a-1-.noarch",
        "a-1-1.",
        "a-1-1.x 86",
        "a-x:1-1.noarch",
        "a-:1-1.noarch",
        "a-+1:1-1.noarch",
        "a-4294967296:1-1.noarch",
        "a-1:2:3-1.noarch",
        "a-1/2-1.noarch",
        "a-1-1.no/arch",
        "../a-1-1.noarch",
        "a-1-1\n.noarch",
        "é-1-1.noarch",
        &long,
        &version,
        &"-.".repeat(100_000),
    ] {
        assert!(bad.parse::<Nevra>().is_err(), "{bad:?} must be refused");
    }
}

fn version() -> impl Strategy<Value = String> {
    "([0-2a~^._+]|10|01|rc){1,6}"
}

fn nevra() -> impl Strategy<Value = String> {
    let name = "[a-z][a-z0-9.+_]{0,4}(-[a-z0-9]{1,3}){0,2}";
    (name, 0_u32..3, version(), version(), "noarch|x86_64").prop_map(
        |(name, epoch, version, release, arch)| {
            let epoch = if epoch == 0 { String::new() } else { format!("{epoch}:") };
            format!("{name}-{epoch}{version}-{release}.{arch}")
        },
    )
}

proptest! {
    #[test]
    fn a_nevra_survives_text_and_back(text in nevra()) {
        let parsed: Nevra = text.parse().unwrap();
        prop_assert_eq!(parsed.to_string(), text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[ab01.:+_ \\-]{0,16}|\\PC{0,60}") {
        if let Ok(parsed) = text.parse::<Nevra>() {
            prop_assert_eq!(parsed.to_string().parse::<Nevra>().unwrap(), parsed);
        }
    }

    #[test]
    fn the_order_is_total(one in nevra(), two in nevra(), three in nevra()) {
        let [one, two, three] = [one, two, three].map(|text| text.parse::<Nevra>().unwrap());
        prop_assert_eq!(one.cmp(&two), two.cmp(&one).reverse());
        prop_assert_eq!(one.cmp(&two) == Equal, one == two);
        if one <= two && two <= three {
            prop_assert!(one <= three);
        }
    }

    #[test]
    fn versions_that_rpm_calls_equal_compare_alike_with_any_third(one in version(), two in version(), other in version()) {
        if compare_versions(&one, &two) == Equal {
            prop_assert_eq!(compare_versions(&one, &other), compare_versions(&two, &other));
        }
    }
}
