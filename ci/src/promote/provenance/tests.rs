//! What is written is what is read, and what others write is doubted.

use serde_json::{Value, json};

use super::*;

/// A change with an image.
pub(in crate::promote) fn provenance() -> Provenance {
    let line =
        |name: &str, digit: &str| json!({"name": name, "commit": "c".repeat(40), "tree": digit.repeat(40)});
    let text = json!([line("example.org/b", "b"), line("example.org/a", "a")]).to_string();
    Provenance {
        change: "1234,5".parse().unwrap(),
        ahead: vec!["1200,1".parse().unwrap(), "übung \"7\"".parse().unwrap()],
        build: "build-1".to_owned(),
        buildset: Some("set-1".to_owned()),
        outcome: Outcome::Built(Image {
            digest: Digest::of(b"image"),
            media_type: MANIFESTS[0].to_owned(),
            size: 5,
        }),
        trees: trees(text.as_bytes()).unwrap(),
    }
}

#[test]
fn row_35_provenance_is_read_as_it_was_written_and_the_same_has_the_same_digest() {
    let built = provenance();
    let failed = Provenance { outcome: Outcome::Failed, buildset: None, ahead: Vec::new(), ..provenance() };
    for one in [built.clone(), failed] {
        let stored = one.document().unwrap();
        assert_eq!(Provenance::read(&one.change, &stored).unwrap(), one);
        assert_eq!(stored, one.document().unwrap());
        let said: Value = serde_json::from_slice(&stored.bytes).unwrap();
        assert_eq!(said["artifactType"], TYPE);
        assert_eq!(said.get("subject").is_some(), one.outcome != Outcome::Failed);
    }
    let said: Value = serde_json::from_slice(&built.document().unwrap().bytes).unwrap();
    assert_eq!(said["subject"]["digest"], Digest::of(b"image").to_string());
    assert_eq!(said["annotations"]["build-resources/change"], "1234,5");
    let trees: Value = serde_json::from_str(said["annotations"][TREES].as_str().unwrap()).unwrap();
    assert_eq!((&trees[0]["name"], &trees[0]["tree"]), (&json!("example.org/a"), &json!("a".repeat(40))));
}

#[test]
fn row_35_any_change_has_a_tag_and_no_two_the_same() {
    let change = |text: &str| text.parse::<Change>().unwrap();
    let plain =
        |tag: &str| tag.len() <= 128 && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    for text in ["1234,5", "https://example.org/a/b/pull/7", "../../x", "ü"] {
        assert!(plain(&change(text).tag()) && plain(&change(text).image_tag()), "{text}");
        assert_ne!(change(text).tag(), change(text).image_tag());
    }
    assert_ne!(change("1,2").tag(), change("1,3").tag());
    for bad in ["", "a\nb", &"x".repeat(201)] {
        assert!(bad.parse::<Change>().is_err(), "{bad:?}");
    }
}

/// What makes a document bad, and a word of the refusal.
type Bad<'a> = (&'a dyn Fn(&mut Value), &'a str);

#[test]
fn row_35_a_document_of_somebody_else_says_nothing_of_a_change() {
    let good = provenance();
    let broken = |change: &dyn Fn(&mut Value)| {
        let mut value = serde_json::from_slice(&good.document().unwrap().bytes).unwrap();
        change(&mut value);
        let stored =
            Stored { media_type: MANIFESTS[0].to_owned(), bytes: serde_json::to_vec(&value).unwrap() };
        Provenance::read(&good.change, &stored).unwrap_err()
    };
    let note = |key: &'static str, text: &'static str| {
        move |value: &mut Value| value["annotations"][key] = json!(text)
    };
    let cases: [Bad<'_>; 12] = [
        (&|value| *value = json!({}), ""),
        (&|value| value["artifactType"] = json!("application/x"), "no `application/vnd"),
        (&|value| value["annotations"] = json!({}), "has no"),
        (&|value| value["subject"] = Value::Null, "whether there is an image"),
        (&|value| value["subject"]["mediaType"] = json!("text/html"), "no image"),
        (&note(CHANGE, "1234,6"), "another change"),
        (&note(STATE, "failed"), "whether there is an image"),
        (&note(STATE, "fine"), "whether there is an image"),
        (&note(BUILD, "a\u{1b}[31m\n"), "one line"),
        (&note(CHANGES_AHEAD, "[\"a\\nb\"]"), "one line"),
        (&note(TREES, "[{\"name\": \"../x\", \"commit\": \"c\", \"tree\": \"d\"}]"), "repository"),
        (&note(TREES, "7"), "invalid"),
    ];
    for (change, word) in cases {
        let refused = broken(change);
        assert!(refused.contains(word), "{word}: {refused}");
    }
    let one = json!({"name": "a", "commit": "c".repeat(40), "tree": "d".repeat(40)});
    assert!(trees(json!([one, one]).to_string().as_bytes()).unwrap_err().contains("twice"));
    assert!(trees(json!(vec![one; 1001]).to_string().as_bytes()).unwrap_err().contains("1000"));
    assert!(Provenance { ahead: vec![good.change.clone(); 501], ..good }.document().is_err());
}
