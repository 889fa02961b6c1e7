//! Dependencies against rpm's own answers, and text there and back.

use proptest::prelude::*;

use super::{Capability, Relation, Requirement, Rich};
use crate::limits;

fn capability(text: &str) -> Capability {
    text.parse().unwrap()
}

#[test]
fn ranges_overlap_as_rpm_says() {
    // Every answer is rpm 4.18's own, from `rpmdsCompare`.
    let cases = [
        // equal, older, newer
        ("a = 1.0-1", "a = 1.0-1", true),
        ("a = 1.0-1", "a = 1.0-2", false),
        ("a = 1.0-1", "a >= 1.0-1", true),
        ("a = 1.0-1", "a > 1.0-1", false),
        ("a = 1.0-1", "a <= 1.0-1", true),
        ("a = 1.0-1", "a < 1.0-1", false),
        ("a = 1.10-1", "a > 1.9", true),
        ("a = 1.0~rc1-1", "a < 1.0", true),
        ("a = 1.0~rc1-1", "a >= 1.0", false),
        ("a = 1.00-1", "a = 1.0-1", true),
        // a missing release is a wildcard where the side that lacks it admits equality
        ("a = 1.0-1", "a = 1.0", true),
        ("a = 1.0-1", "a <= 1.0", true),
        ("a = 1.0-1", "a >= 1.0", true),
        ("a = 1.0-1", "a < 1.0", false),
        ("a = 1.0-1", "a > 1.0", false),
        ("a = 1.0", "a > 1.0-1", true),
        ("a = 1.0", "a < 1.0-1", true),
        ("a < 1.0", "a = 1.0-1", false),
        // a missing epoch counts as 0
        ("a = 1:1.0-1", "a = 1.0-1", false),
        ("a = 1:1.0-1", "a > 2.0", true),
        ("a = 0:1.0-1", "a = 1.0", true),
        ("a = 2.0-1", "a >= 1:1.0", false),
        ("a = 2.0-1", "a < 1:1.0", true),
        // ranges on both sides
        ("a < 2.0", "a > 1.0", true),
        ("a < 1.0", "a > 2.0", false),
        ("a < 1.0", "a > 1.0", false),
        ("a <= 1.0", "a >= 1.0", true),
        ("a <= 1.0", "a > 1.0", false),
        ("a > 1.0", "a > 9.0", true),
        ("a < 1.0", "a <= 0.1", true),
        // an unversioned side meets everything, also an unversioned provide a versioned requirement
        ("a", "a", true),
        ("a", "a >= 1.0", true),
        ("a = 1.0-1", "a", true),
        // names are names
        ("a", "b", false),
        ("a = 1.0", "A = 1.0", false),
        ("libqb(x86-64) = 2.0-1", "libqb(x86-64) >= 2.0", true),
    ];
    for (provide, wanted, meets) in cases {
        assert_eq!(capability(provide).meets(&capability(wanted)), meets, "`{provide}` for `{wanted}`");
    }
}

#[test]
fn an_empty_version_in_a_header_is_no_bound() {
    let lazy = Capability::new("a", Some((Relation::GreaterOrEqual, ""))).unwrap();
    assert_eq!(lazy, capability("a"));
}

#[test]
fn dependencies_are_written_as_rpm_writes_them() {
    for text in [
        "bash",
        "/bin/sh",
        "libqb(x86-64) >= 2.0-1",
        "libc.so.6(GLIBC_2.34)(64bit)",
        "rpmlib(CompressedFileNames) <= 3.0.4-1",
        "perl(Foo::Bar) = 1:2.0",
        "kmod(a.ko)",
        "ksym(x) = 0xdeadbeef",
        "font(:lang=zh-cn)",
        "bundled(npm(x)) = 1.0.0-beta.1-2",
        "a < -",
        "a < 1:-",
        "a < 0::",
        "a < 1-2-",
        "a < --",
        "(a and b and c)",
        "(a >= 1.0-1 if b else (c or d))",
        "(a unless b)",
        "(python3.9dist(six) >= 1 with python3.9dist(six) < 2)",
        "(a without (b or c))",
    ] {
        let requirement: Requirement = text.parse().unwrap();
        assert_eq!(requirement.to_string(), text);
        let json = serde_json::to_string(&requirement).unwrap();
        assert_eq!(serde_json::from_str::<Requirement>(&json).unwrap(), requirement);
    }
    for (text, plain) in [
        ("a => 0:1", "a >= 1"),
        ("a == 1", "a = 1"),
        ("a =< 1-", "a <= 1"),
        ("(a)", "a"),
        ("((a = 1))", "a = 1"),
        ("(a, or, b)", "(a or b)"),
        ("( a  and (b or c) )", "(a and (b or c))"),
    ] {
        assert_eq!(text.parse::<Requirement>().unwrap().to_string(), plain);
    }
}

#[test]
fn what_is_not_a_dependency_is_refused() {
    let long = "a".repeat(limits::DEPENDENCY_BYTES + 1);
    let deep = "(".repeat(limits::RICH_DEPTH + 1) + "a" + &")".repeat(limits::RICH_DEPTH + 1);
    let abyss = "(".repeat(limits::DEPENDENCY_BYTES);
    for bad in [
        "",
        " ",
        "a =",
        "a ~ 1",
        "a = 1 2",
        "a b",
        "a\u{202e}b",
        "a = 1\u{7f}",
        "a > 4294967296:1",
        &long,
        &deep,
        &abyss,
        "(",
        "()",
        "(a",
        "(a))",
        "(a) b",
        "(a and)",
        "(and)x",
        "(a and b or c)",
        "(a if b if c)",
        "(a if b unless c)",
        "(a else b)",
        "(a without b without c)",
        "(a nor b)",
        "(a =)",
        "(a = )",
        "(a b)",
        "(a with (b and c))",
        "(a without (b if c))",
        "(a if b else c else d)",
        "(a and b else c)",
        "(a and config(b )",
        "(a and b = (1 )",
    ] {
        assert!(bad.parse::<Requirement>().is_err(), "{bad:?} must be refused");
    }
    assert!(Capability::new("a b", None).is_err());
    assert!(Capability::new("a", Some((Relation::Equal, "1 2"))).is_err());
    assert!(Capability::new("", None).is_err());
    assert!(Capability::new("(a or b)", None).is_err(), "nobody provides a choice");
}

#[test]
fn a_refusal_shows_hostile_text_escaped_and_cut() {
    let text = format!("\x1b[31m{}", "x ".repeat(2000)).parse::<Requirement>().unwrap_err().to_string();
    assert!(!text.contains('\x1b') && text.len() < 400, "{text}");
}

#[test]
fn a_rich_dependency_holds_by_its_operators() {
    let cases = [
        ("(a and b)", false),
        ("(a and c)", true),
        ("(b or c)", true),
        ("(b or d)", false),
        ("(b if d)", true),
        ("(b if c)", false),
        ("(b if d else c)", true),
        ("(b if d else d)", false),
        ("(a unless c)", false),
        ("(a unless b)", true),
        ("(b unless c else a)", true),
    ];
    for (text, holds) in cases {
        let Requirement::Rich(rich) = text.parse().unwrap() else { panic!("{text}") };
        let mut met = |leaf: &Rich| matches!(leaf, Rich::Plain(one) if ["a", "c"].contains(&one.name()));
        assert_eq!(rich.holds(&mut met), holds, "{text}");
    }
}

#[test]
fn the_paths_of_a_requirement_include_those_of_conditions() {
    let requirement: Requirement = "(/bin/a if (b or /bin/c))".parse().unwrap();
    assert_eq!(requirement.paths().collect::<Vec<_>>(), ["/bin/a", "/bin/c"]);
}

fn any_capability() -> impl Strategy<Value = String> {
    let relation = prop::sample::select(vec!["<", "<=", "=", ">=", ">"]);
    // The second half is what no packager would write and rpm takes.
    let version = "[0-3]?(:|)[0-2]\\.[0-2](~a|\\^b|)(-[1-2]|)|[01:\\-]{1,4}";
    let name = prop::sample::select(vec!["a", "b", "c(x)", "/d"]);
    (name, prop::option::of((relation, version))).prop_map(|(name, bound)| match bound {
        Some((relation, version)) => format!("{name} {relation} {version}"),
        None => name.to_owned(),
    })
}

fn any_rich() -> impl Strategy<Value = String> {
    any_capability().prop_recursive(4, 24, 3, |inner| {
        let chain = |operator: &'static str, inner: BoxedStrategy<String>| {
            prop::collection::vec(inner, 2..4)
                .prop_map(move |all| format!("({})", all.join(&format!(" {operator} "))))
        };
        let inner = inner.boxed();
        let pair = (inner.clone(), prop::sample::select(vec!["if", "unless"]), inner.clone());
        prop_oneof![
            chain("and", inner.clone()),
            chain("or", inner.clone()),
            pair.prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a} if {b} else {c})")),
            prop::collection::vec(any_capability(), 2..4).prop_map(|all| format!("({})", all.join(" with "))),
        ]
    })
}

/// Text of nothing but what means something to a reader, so that most of the paths through one are walked.
fn any_words() -> impl Strategy<Value = String> {
    let words = "( ) and or if else with without unless < <= == > , : - 0 1 a b( /c -1: a-b- 0:: \u{e9}";
    let words: Vec<_> = words.split(' ').chain([" "]).collect();
    let words = prop::collection::vec(prop::sample::select(words), 0..24);
    let between = prop::sample::select(vec!["", " "]);
    (words, between).prop_map(|(words, between)| words.join(between))
}

proptest! {
    #[test]
    fn overlap_is_symmetric(left in any_capability(), right in any_capability()) {
        let (left, right) = (capability(&left), capability(&right));
        prop_assert_eq!(left.meets(&right), right.meets(&left));
    }

    #[test]
    fn a_dependency_survives_text_and_back(text in any_rich()) {
        let requirement: Requirement = text.parse().unwrap();
        prop_assert_eq!(requirement.to_string().parse::<Requirement>().unwrap(), requirement);
    }

    #[test]
    fn any_text_is_read_or_refused(text in prop_oneof![any_words(), "[(a-c )=<>,1:\\-]{0,60}|\\PC{0,40}"]) {
        if let Ok(requirement) = text.parse::<Requirement>() {
            prop_assert_eq!(requirement.to_string().parse::<Requirement>().unwrap(), requirement);
        }
    }
}
