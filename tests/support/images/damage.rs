//! Layouts that are not what they say: copies in which one thing is wrong.

use std::fs;
use std::path::Path;

use super::Layout;
use crate::cache;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// One bit in the middle of the topmost-but-`n` layer.
    LayerByte(usize),
    /// The topmost-but-`n` layer ends too early.
    LayerCut(usize),
    /// The topmost-but-`n` layer is not there.
    LayerMissing(usize),
    /// One letter of the config.
    ConfigByte,
    /// One letter of the manifest.
    ManifestByte,
    /// The manifest is no JSON.
    ManifestGarbage,
}

/// A copy of the layout with that flaw; the digests stay those of the whole one.
pub fn damaged(layout: &Layout, flaw: Flaw) -> Layout {
    let key = cache::key([layout.dir().to_str().unwrap().as_bytes(), format!("{flaw:?}").as_bytes()]);
    Layout::at(cache::entry("damaged", &key, |place| {
        copy(layout.dir(), place);
        let copy = Layout::at(place.to_owned());
        let layer = |from_top: usize| {
            let layers = copy.layers();
            copy.blob(&layers[layers.len() - 1 - from_top])
        };
        match flaw {
            Flaw::LayerByte(from_top) => flip(&layer(from_top)),
            Flaw::LayerCut(from_top) => {
                let path = layer(from_top);
                let half = fs::metadata(&path).unwrap().len() / 2;
                fs::File::options().write(true).open(path).unwrap().set_len(half).unwrap();
            }
            Flaw::LayerMissing(from_top) => fs::remove_file(layer(from_top)).unwrap(),
            Flaw::ConfigByte => flip(&copy.blob(copy.manifest()["config"]["digest"].as_str().unwrap())),
            Flaw::ManifestByte => swap(&copy.blob(&copy.digest())),
            Flaw::ManifestGarbage => fs::write(copy.blob(&copy.digest()), "not a manifest").unwrap(),
        }
    }))
}

/// Turns one bit in the middle of a file.
pub fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x01;
    fs::write(path, bytes).unwrap();
}

/// Swaps the order of two keys: the same document, other bytes.
fn swap(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    let moved = text.replacen("{\"config\"", "{ \"config\"", 1);
    assert_ne!(text, moved, "a manifest starts with its config");
    fs::write(path, moved).unwrap();
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
