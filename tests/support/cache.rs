//! What was made once is kept, named by the digest of everything it was made from.
//!
//! Safe for tests in parallel, in one process or in many: the maker holds a lock, works aside, and renames at the end.
//! What a killed maker left is swept by the next one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The directory `<kind>/<key>` of the cache, made by `make` in an empty directory if it is not there yet.
pub fn entry(kind: &str, key: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let shelf = directory().join(kind);
    let place = shelf.join(key);
    if place.exists() {
        return place;
    }
    fs::create_dir_all(&shelf).unwrap();
    let lock = File::create(shelf.join(format!(".{key}.lock"))).unwrap();
    lock.lock().unwrap();
    if place.exists() {
        return place;
    }
    let aside = shelf.join(format!(".{key}.making"));
    if aside.exists() {
        fs::remove_dir_all(&aside).unwrap();
    }
    fs::create_dir(&aside).unwrap();
    make(&aside);
    fs::rename(&aside, &place).unwrap();
    place
}

/// A key over parts that cannot run into each other.
pub fn key<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

/// `target/proof-cache`, beside the build that runs.
pub fn directory() -> PathBuf {
    target().join("proof-cache")
}

/// The target directory of the build that runs: cargo marks it with a tag.
pub fn target() -> PathBuf {
    let ours = std::env::current_exe().unwrap();
    let tagged = ours.ancestors().find(|place| place.join("CACHEDIR.TAG").exists());
    tagged.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_key_do_not_run_into_each_other() {
        let parts = |list: &[&'static str]| key(list.iter().map(|part| part.as_bytes()));
        assert_ne!(parts(&["ab", "c"]), parts(&["a", "bc"]));
        assert_eq!(parts(&["ab", "c"]), parts(&["ab", "c"]));
    }

    #[test]
    fn many_makers_of_one_entry_make_it_once() {
        let key = key([uuid::Uuid::new_v4().as_bytes().as_slice()]);
        let made = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    entry("self-test", &key, |place| {
                        made.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        fs::write(place.join("content"), "whole").unwrap();
                    })
                });
            }
        });
        let place = entry("self-test", &key, |_| panic!("it is there"));
        assert_eq!(made.into_inner(), 1);
        assert_eq!(fs::read_to_string(place.join("content")).unwrap(), "whole");
        fs::remove_dir_all(place).unwrap();
    }
}
