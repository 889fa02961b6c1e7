//! Real directories, real links; each test reads as a sentence about drop-ins.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use super::table::KEYS;
use super::*;
use crate::error::Failure;
use crate::golden;

fn put(root: &Path, directory: &str, name: &str, text: &str) {
    let directory = root.join(directory).join("extensions-agent/config.d");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(name), text).unwrap();
}

fn load_from(root: &Path) -> Result<Loaded, SettingsError> {
    load(root, &Overrides::default())
}

fn root() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn without_any_file_every_key_has_its_default() {
    let loaded = load_from(root().path()).unwrap();
    assert_eq!(loaded.settings.machine_config.directory, Path::new("/etc/extensions-agent/machine-config.d"));
    assert_eq!(loaded.settings.store.max_bytes, 4 << 30);
    assert_eq!(loaded.settings.payload, PayloadSettings::default());
    assert_eq!(loaded.settings.reconcile.backoff_limit, Duration::from_secs(600));
    assert_eq!(loaded.dump.len(), KEYS.len());
    assert!(loaded.dump.iter().all(|line| line.origin == Origin::Default));
    assert_eq!(loaded.warnings, Vec::<String>::new());
}

#[test]
fn files_merge_by_name_and_a_later_directory_replaces_its_namesake() {
    let root = root();
    let payload = |image: &str| format!("[payload]\nimage = \"{image}\"\n");
    put(
        root.path(),
        "usr/lib",
        "50-site.toml",
        "[payload]\nimage = \"dir:/vendor\"\n[store]\nmax-bytes = \"2GiB\"\n",
    );
    put(root.path(), "etc", "50-site.toml", &payload("dir:/admin"));
    put(root.path(), "run", "20-early.toml", &payload("dir:/early"));
    let loaded = load_from(root.path()).unwrap();
    assert_eq!(
        loaded.settings.payload.image.as_deref(),
        Some("dir:/admin"),
        "50 comes after 20 whatever the directory"
    );
    assert_eq!(loaded.settings.store.max_bytes, 4 << 30, "the vendor's file is replaced as a whole");
    let line = loaded.dump.iter().find(|line| line.key == "payload.image").unwrap();
    assert_eq!(line.origin, Origin::File(root.path().join("etc/extensions-agent/config.d/50-site.toml")));

    put(root.path(), "run", "50-site.toml", &payload("dir:/now"));
    assert_eq!(load_from(root.path()).unwrap().settings.payload.image.as_deref(), Some("dir:/now"));
}

#[test]
fn a_link_to_dev_null_masks_and_any_other_link_is_ignored_aloud() {
    let root = root();
    put(root.path(), "usr/lib", "10-a.toml", "[log]\nlevel = \"trace\"\n");
    put(root.path(), "etc", "ignored.txt", "not = toml = at all");
    let etc = root.path().join("etc/extensions-agent/config.d");
    symlink("/dev/null", etc.join("10-a.toml")).unwrap();
    symlink(etc.join("ignored.txt"), etc.join("20-b.toml")).unwrap();
    let loaded = load_from(root.path()).unwrap();
    assert_eq!(loaded.settings.log.level, Level::Info);
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    assert!(loaded.warnings[0].contains("20-b.toml"), "{:?}", loaded.warnings);
}

#[test]
fn an_unknown_key_is_a_warning_that_names_file_and_key() {
    let root = root();
    put(
        root.path(),
        "etc",
        "10-x.toml",
        "[payload]\nimagee = \"x\"\n[nonsense]\na = 1\n[log]\nlevel = \"warn\"\n",
    );
    let loaded = load_from(root.path()).unwrap();
    assert_eq!(loaded.settings.log.level, Level::Warn);
    let text = loaded.warnings.join("\n");
    assert!(
        text.contains("`payload.imagee`") && text.contains("`nonsense`") && text.contains("10-x.toml"),
        "{text}"
    );
}

#[test]
fn a_wrong_value_is_refused_with_file_key_and_what_is_allowed() {
    let cases = [
        ("[store]\nmax-bytes = true\n", "store.max-bytes", "`true`", "a size from `1MiB` to `1TiB`"),
        ("[store]\nmax-bytes = -1\n", "store.max-bytes", "`-1`", "a size"),
        ("[store]\nmax-bytes = \"999999999999TiB\"\n", "store.max-bytes", "TiB", "a size"),
        ("[store]\ndirectory = \"var/cache\"\n", "store.directory", "`var/cache`", "an absolute path"),
        ("[store]\ndirectory = \"/var/../etc\"\n", "store.directory", "`/var/../etc`", "an absolute path"),
        ("[reconcile]\ndwell = 5\n", "reconcile.dwell", "`5`", "a duration from `0s` to `10m`"),
        ("[reconcile]\ndwell = \"2 weeks ago\"\n", "reconcile.dwell", "weeks", "a duration"),
        ("[reconcile]\nbackoff-limit = \"100h\"\n", "reconcile.backoff-limit", "`100h`", "to `24h`"),
        ("[metrics]\nlisten = \"0.0.0.0:9472\"\n", "metrics.listen", "`0.0.0.0:9472`", "a loopback address"),
        (
            "[metrics]\nlisten = \"localhost:9472\"\n",
            "metrics.listen",
            "`localhost:9472`",
            "a loopback address",
        ),
        ("[log]\nlevel = \"loud\"\n", "log.level", "`loud`", "`error`, `warn`"),
        ("[payload]\nimage = \"a\\nb\"\n", "payload.image", "`a\\nb`", "one line of text"),
        ("[payload]\nimage = \"\"\n", "payload.image", "``", "one line of text"),
        ("[payload]\nimage = [\"secret\"]\n", "payload.image", "a list", "one line of text"),
    ];
    for (text, key, found, allowed) in cases {
        let root = root();
        put(root.path(), "etc", "10-x.toml", text);
        let error = load_from(root.path()).unwrap_err();
        assert_eq!(error.reason(), Reason::InvalidSettings);
        let message = error.to_string();
        for part in [key, found, allowed, "10-x.toml"] {
            assert!(message.contains(part), "{message} should contain {part}");
        }
        assert!(!message.contains('\n') && !message.contains("secret"), "{message}");
    }
}

#[test]
fn a_file_that_is_not_toml_is_refused_by_line_without_its_text() {
    let root = root();
    put(root.path(), "etc", "10-x.toml", "[log]\nlevel = \"info\"\npassword hunter2\n");
    let message = load_from(root.path()).unwrap_err().to_string();
    assert!(message.contains("10-x.toml") && message.contains("line 3"), "{message}");
    assert!(!message.contains("hunter2"), "{message}");

    put(root.path(), "etc", "10-x.toml", &"# padding\n".repeat(10_000));
    assert!(matches!(load_from(root.path()).unwrap_err(), SettingsError::Limit { .. }));
}

#[test]
fn an_argument_wins_over_every_file_and_may_be_relative() {
    let root = root();
    put(
        root.path(),
        "run",
        "90.toml",
        "[machine-config]\ndirectory = \"/run/mc\"\n[payload]\nimage = \"dir:/x\"\n",
    );
    let overrides = Overrides { machine_config: Some("here".into()), payload: Some("oci:/y".to_owned()) };
    let loaded = load(root.path(), &overrides).unwrap();
    assert_eq!(loaded.settings.machine_config.directory, std::env::current_dir().unwrap().join("here"));
    assert_eq!(loaded.settings.payload.image.as_deref(), Some("oci:/y"));
    assert_eq!(loaded.dump[0].origin, Origin::Argument("--machine-config"));
}

#[test]
fn the_table_is_well_formed() {
    let paths: BTreeSet<String> = KEYS.iter().map(table::Key::path).collect();
    assert_eq!(paths.len(), KEYS.len(), "no key twice");
    let mut sections: Vec<&str> = KEYS.iter().map(|key| key.section).collect();
    sections.dedup();
    assert_eq!(sections.iter().collect::<BTreeSet<_>>().len(), sections.len(), "a section stands together");
    for key in KEYS {
        assert!(
            key.doc.ends_with('.') && key.doc.starts_with(char::is_uppercase),
            "{}: a sentence",
            key.path()
        );
        assert!(key.default.is_some() != key.example.is_some(), "{}: a default or an example", key.path());
        for value in [key.default, key.example].into_iter().flatten() {
            let put = key.kind.put(&value.into(), &mut table::blank());
            assert_eq!(put.ok().as_deref(), Some(value), "{}: its own value, in canonical form", key.path());
        }
    }
}

#[test]
fn the_shipped_default_file_changes_nothing() {
    let root = root();
    let plain = load_from(root.path()).unwrap();
    put(root.path(), "usr/lib", "10-defaults.toml", &default_file());
    let shipped = load_from(root.path()).unwrap();
    assert_eq!(shipped.settings, plain.settings);
    assert_eq!(shipped.warnings, Vec::<String>::new());
    let from_file = shipped.dump.iter().filter(|line| line.origin != Origin::Default).count();
    assert_eq!(
        from_file,
        KEYS.iter().filter(|key| key.default.is_some()).count(),
        "every key with a default is in it"
    );
}

#[test]
fn the_generated_files_are_checked_in() {
    golden::check("../systemd/config.d/10-defaults.toml", &default_file());
    golden::check("docs/settings.md", &page());
}
