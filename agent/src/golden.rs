//! Generated files that are checked in: a test compares, `BLESS=1` rewrites. Test code only.

use std::fs;
use std::path::Path;

/// Holds `text` against the file at `path` (relative to the agent's folder), or writes it when `BLESS` is set.
pub(crate) fn check(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        return;
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == text,
        "`{path}` is not what the code generates; run the tests with BLESS=1 and look at the diff"
    );
}
