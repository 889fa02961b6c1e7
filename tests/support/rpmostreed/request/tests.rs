//! Requests as clients send them: what is refused, what is ignored, what they are called.

use std::fs::File;

use super::*;

fn flags(names: &[&str]) -> Dictionary {
    names.iter().map(|name| ((*name).to_owned(), OwnedVariant::from(true))).collect()
}

fn names(key: &str, names: &[&str]) -> Dictionary {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    HashMap::from([(key.to_owned(), Variant::from(names).try_into_owned().unwrap())])
}

fn rpms(count: usize) -> Dictionary {
    let files: Vec<Fd<'_>> =
        (0..count).map(|_| OwnedFd::from(File::open("/dev/null").unwrap()).into()).collect();
    HashMap::from([("install-local-packages".to_owned(), Variant::from(files).try_into_owned().unwrap())])
}

fn refusal(modifiers: Dictionary, options: &[&str], descriptors: usize) -> String {
    Update::new(modifiers, flags(options), descriptors).unwrap().check().unwrap_err().to_string()
}

#[test]
fn handles_and_descriptors_must_agree() {
    assert_eq!(refusal(rpms(2), &[], 1), "Expected 2 fds but received 1");
    assert_eq!(refusal(HashMap::new(), &[], 1), "Expected 0 fds but received 1");
}

#[test]
fn options_that_exclude_each_other_are_refused() {
    let none = HashMap::new;
    assert_eq!(
        refusal(none(), &["cache-only", "download-only"], 0),
        "Can't specify cache-only and download-only"
    );
    assert_eq!(refusal(none(), &["dry-run", "download-only"], 0), "Can't specify dry-run and download-only");
    assert_eq!(refusal(none(), &["apply-live", "reboot"], 0), "Cannot specify `apply-live` and `reboot`");
    assert_eq!(
        refusal(names("override-remove-packages", &["x"]), &["no-overrides"], 0),
        "Can't specify no-overrides if setting override modifiers"
    );
}

#[test]
fn keys_of_the_wrong_type_are_ignored() {
    let options = HashMap::from([("no-pull-base".to_owned(), OwnedVariant::from(1_u32))]);
    let update = Update::new(names("set-refspec", &["x"]), options, 0).unwrap();
    assert!(!update.options.no_pull_base);
    assert_eq!(update.refspec, None);
}

#[test]
fn the_title_counts_what_is_asked() {
    let title = |modifiers, options: &[&str]| Update::new(modifiers, flags(options), 0).unwrap().title();
    assert_eq!(title(rpms(2), &["no-pull-base"]), "install; localinstall: 2");
    assert_eq!(title(names("uninstall-packages", &["a"]), &["no-pull-base"]), "uninstall; uninstall: 1");
    assert_eq!(title(names("uninstall-packages", &["a"]), &[]), "upgrade; uninstall: 1");
    assert_eq!(title(names("override-remove-packages", &["a"]), &["no-pull-base"]), "override");
    assert_eq!(title(rpms(1), &["no-pull-base", "cache-only"]), "install (cache only); localinstall: 1");
}

#[test]
fn a_command_line_becomes_the_title() {
    let words = Variant::from("extensions-agent apply").try_into_owned().unwrap();
    let options = HashMap::from([("initiating-command-line".to_owned(), words)]);
    assert_eq!(Update::new(rpms(1), options, 1).unwrap().title(), "extensions-agent apply");
}
