//! What counts as layered: the NEVRA, whatever the content.

use super::*;

fn local(sha256: &str, nevra: &str) -> LocalRequest {
    LocalRequest { sha256: sha256.to_owned(), nevra: nevra.to_owned() }
}

fn layered() -> Origin {
    Origin {
        local: vec![local("aa", "hello-1.0-1.noarch"), local("bb", "world-2-1.x86_64")],
        ..Origin::default()
    }
}

#[test]
fn a_known_nevra_is_refused_with_the_digest_that_was_sent() {
    let again = vec![local("cc", "hello-1.0-1.noarch")];
    let refused = add_local(&mut layered(), again, false, |origin| &mut origin.local).unwrap_err();
    assert_eq!(refused.to_string(), "Package 'cc:hello-1.0-1.noarch' is already layered");
}

#[test]
fn a_known_nevra_with_other_content_keeps_the_old_digest_when_idempotent() {
    let mut origin = layered();
    let again = vec![local("cc", "hello-1.0-1.noarch")];
    assert!(!add_local(&mut origin, again, true, |origin| &mut origin.local).unwrap());
    assert_eq!(origin, layered());
}

#[test]
fn uninstall_takes_a_name_or_a_nevra_and_nothing_else() {
    let mut origin = layered();
    assert!(uninstall(&mut origin, "hello", false).unwrap());
    assert!(uninstall(&mut origin, "world-2-1.x86_64", false).unwrap());
    assert_eq!(origin.local, []);
    let refused = uninstall(&mut origin, "nope", false).unwrap_err();
    assert_eq!(refused.to_string(), "Package/capability 'nope' is not currently requested");
    assert!(!uninstall(&mut origin, "nope", true).unwrap());
}
