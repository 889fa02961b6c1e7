//! Images for changes that depend on the one that built them, in a real registry. No cluster is asked.

use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use build_resources::artifact::Digest;
use build_resources::promote::{Image as Promoted, Outcome, Provenance, Source};
use proof::images::{Image, Layer, Layout};
use proof::process::Finished;
use proof::sandbox::binary;

use crate::bed::block;
use crate::intermediate::{Intermediate, PASSWORD, USER};

fn find(there: &Intermediate, more: &[&str]) -> Finished {
    promote(more, &there.arguments("ci/payload"))
}

fn promote(more: &[&str], arguments: &[String]) -> Finished {
    let mut command = Command::new(binary("build-resources"));
    command.env_clear().stdin(Stdio::null());
    command.args(["--output", "json", "promote"]).args(more).args(arguments);
    Finished::run(command)
}

/// An index of two architectures, whose layers are partly the same.
fn two() -> Layout {
    let image = |architecture: &str| {
        let own = Layer::new().file("hello", architecture.as_bytes());
        Image::new(architecture).layer(Layer::new().file("shared", b"shared")).layer(own)
    };
    Image::build_index(&[image("amd64"), image("arm64")])
}

fn source(digest: &str) -> Source {
    Source { node: None, name: "built".to_owned(), digest: digest.parse().unwrap(), most: 1 << 20 }
}

fn provenance(change: &str, image: Promoted) -> Provenance {
    let trees = br#"[{"name": "a", "path": "src/a", "branch": "main",
        "commit": "1111111111111111111111111111111111111111", "tree": "2222222222222222222222222222222222222222"}]"#;
    Provenance {
        change: change.parse().unwrap(),
        ahead: vec!["1200,1".parse().unwrap()],
        build: "builder".to_owned(),
        buildset: Some("set".to_owned()),
        outcome: Outcome::Built(image),
        trees: build_resources::promote::trees(trees).unwrap(),
    }
}

#[test]
fn row_35_what_depends_on_a_change_gets_its_digest_or_a_refusal_that_names_it() {
    let there = Intermediate::start();
    let layout = two();
    let digest = layout.digest();
    there.push(&layout, "built");
    block(async {
        let (place, remote) = (there.place("ci/payload").await, there.remote().await);
        let small = Source { most: 10, ..source(&digest) };
        assert!(place.copy(&remote, &small).await.unwrap_err().to_string().contains("larger than 10"));
        for _ in 0..2 {
            // The second time all of it is there already.
            let image = place.copy(&remote, &source(&digest)).await.unwrap();
            place.record(&provenance("1234,5", image)).await.unwrap();
        }
    });
    there.pull("ci/payload", &digest);
    let mut tags = there.tags("ci/payload");
    tags.sort();
    let hash = Digest::of(b"1234,5");
    assert_eq!(tags, [format!("change-{}", hash.hex()), format!("image-{}", hash.hex())]);

    let found = find(&there, &["find", "1234,5"]).expect_success().json();
    let said = &found[0];
    assert_eq!(
        (&said["digest"], &said["change"], &said["build"]),
        (&digest.into(), &"1234,5".into(), &"builder".into())
    );
    assert_eq!(said["image"], format!("{}/ci/payload@{}", there.host(), layout.digest()));
    assert_eq!(said["repositories"][0]["tree"], "2".repeat(40));
    assert_eq!(said["ahead"][0], "1200,1");

    // A producer that failed, and one of which nothing is known: both are named, the good one is not.
    find(&there, &["failed", "build-7", "--buildset", "set-7", "--change", "1236,1"]).expect_success();
    let refused = find(&there, &["find", "1234,5", "1236,1", "9999,9"]);
    assert_eq!(refused.code(), Some(6), "{refused:#?}");
    for word in ["1236,1", "build-7", "set-7", "9999,9", "dependency", "cure"] {
        assert!(refused.stderr.contains(word), "{word}: {refused:#?}");
    }
    assert!(!refused.stderr.contains("1234,5") && refused.stdout.is_empty(), "{refused:#?}");
    of_these_trees_only(&there);

    there.log_in(USER, "wrong");
    assert_eq!(find(&there, &["find", "1234,5"]).code(), Some(77));
    there.log_in(USER, PASSWORD);
    there.lose(&layout.digest());
    let gone = find(&there, &["find", "1234,5"]);
    assert!(gone.code() == Some(6) && gone.stderr.contains("gone"), "{gone:#?}");
    there.relay.lead_to(None);
    assert_eq!(find(&there, &["find", "1234,5"]).code(), Some(75));
}

fn of_these_trees_only(there: &Intermediate) {
    let room = tempfile::tempdir().unwrap();
    for (tree, code) in [("2", 0), ("3", 6)] {
        let path = room.path().join(tree);
        let entry = serde_json::json!([{"name": "a", "commit": "4".repeat(40), "tree": tree.repeat(40)}]);
        std::fs::write(&path, entry.to_string()).unwrap();
        let done = find(there, &["find", "1234,5", "--manifest", path.to_str().unwrap()]);
        assert_eq!(done.code(), Some(code), "{done:#?}");
        assert_eq!(done.stderr.contains("other trees"), code == 6, "{done:#?}");
    }
}

/// The password goes to the service that the registry names, and tokens of it to the registry.
#[test]
fn row_35_a_registry_that_takes_tokens_is_sent_those_of_its_service() {
    let mut there = Intermediate::with_tokens();
    let layout = two();
    there.push(&layout, "built");
    let handed = |there: &Intermediate| there.tokens.as_ref().unwrap().handed();
    let before = handed(&there);
    block(async {
        let (place, remote) = (there.place("ci/payload").await, there.remote().await);
        let image = place.copy(&remote, &source(&layout.digest())).await.unwrap();
        place.record(&provenance("1234,5", image)).await.unwrap();
    });
    assert_eq!(handed(&there) - before, 3, "to read there, to read here, to write here");
    there.pull("ci/payload", &layout.digest());

    // Who may only read; nobody in particular; and where a token is good for one request.
    there.log_in("reader", PASSWORD);
    assert_eq!(find(&there, &["find", "1234,5"]).expect_success().json()[0]["digest"], layout.digest());
    let denied = find(&there, &["failed", "build-7", "--change", "1234,6"]);
    assert!(denied.code() == Some(77) && denied.stderr.contains("log in with an account"), "{denied:#?}");
    let mut nobody = there.arguments("ci/payload");
    nobody.drain(2..4);
    there.tokens.as_ref().unwrap().lasts(0);
    let before = handed(&there);
    promote(&["find", "1234,5"], &nobody).expect_success();
    assert_eq!(handed(&there) - before, 2, "for the tag, and for the digest");

    // The service says back what it was told: that is not shown.
    there.log_in(USER, "wrong-password-1");
    let wrong = find(&there, &["find", "1234,5"]);
    assert!(wrong.code() == Some(77) && wrong.stderr.contains("authorization"), "{wrong:#?}");
    for form in ["wrong-password-1", &BASE64_STANDARD.encode(format!("{USER}:wrong-password-1"))] {
        assert!(!wrong.stderr.contains(form), "{wrong:#?}");
    }
    let service = there.tokens.take().unwrap().address.to_string();
    let away = find(&there, &["find", "1234,5"]);
    assert!(away.code() == Some(75) && away.stderr.contains(&service), "{away:#?}");
}

/// The registry breaks off after every so many bytes, each time in a repository that is empty.
#[test]
fn row_35_who_dies_in_the_middle_leaves_no_tag_and_the_same_again_mends_it() {
    let there = Intermediate::start();
    let layout = two();
    there.push(&layout, "built");
    let (mut broken, mut lost) = (0, 0);
    for step in 1.. {
        let (name, bytes) = (format!("step-{step}"), step * 800);
        let promoted = block(async {
            let (place, remote) = (there.place(&name).await, there.remote().await);
            there.relay.cut_after(Some(bytes));
            let image = place.copy(&remote, &source(&layout.digest())).await?;
            place.record(&provenance("1234,5", image)).await
        });
        there.relay.cut_after(None);
        let changes = ["1234,5".parse().unwrap()];
        let found = block(async { there.place(&name).await.find(&changes, None).await });
        match &found {
            Ok(_) => there.pull(&name, &layout.digest()),
            Err(none) => assert!(none.to_string().ends_with("the change `1234,5` has no image"), "{none}"),
        }
        match promoted {
            Ok(()) => {
                assert!(found.is_ok());
                break;
            }
            Err(_) if found.is_ok() => lost += 1, // only the last answer did not come
            Err(_) => broken += 1,
        }
        assert!(step < 500);
        let place = || there.place(&name);
        block(async {
            let image = place().await.copy(&there.remote().await, &source(&layout.digest())).await.unwrap();
            place().await.record(&provenance("1234,5", image)).await.unwrap();
            place().await.find(&changes, None).await.unwrap();
        });
    }
    assert!(broken > 9 && lost < 3, "{broken} {lost}");
}
