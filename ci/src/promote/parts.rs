//! What belongs to an image: its manifests and blobs, all known and within bounds before anything is sent.
//!
//! Decides: what is copied, and in which order. Must not: talk to a registry. Input: manifests of a registry, whose digests are
//! proven and whose words are not: a build may write what it likes.

use std::collections::BTreeMap;

use oci_spec::image::Descriptor;
use serde::Deserialize;

use crate::artifact::{ArtifactError, Digest, MANIFESTS, Stored};
use crate::error::shown;

/// Most manifests of one image: an index and one for each architecture, with their attestations.
const MOST_MANIFESTS: usize = 64;
/// Most bytes of all of them: they are held until all are known.
const MANIFEST_BYTES: usize = 16 << 20;
/// Most blobs of one image.
const MOST_BLOBS: usize = 4096;
/// How deep manifests may lie in each other: an image, an index of images, an index of those.
const DEPTH: usize = 3;

/// A manifest that belongs to the image, and is still to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Open {
    /// Which one.
    pub(super) digest: Digest,
    /// What the index says of it; nothing for the image itself.
    said: Option<(String, u64)>,
    depth: usize,
}

impl Open {
    /// The image itself.
    pub(super) fn image(digest: &Digest) -> Self {
        Open { digest: digest.clone(), said: None, depth: 1 }
    }
}

/// All of one image.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// Its blobs and their sizes, each once.
    pub(super) blobs: BTreeMap<Digest, u64>,
    /// Its manifests, as they were read: each after what names it, and once for each time.
    manifests: Vec<(Digest, Stored)>,
    /// How many manifests are named so far.
    named: usize,
    /// Bytes of the manifests.
    held: usize,
    /// Bytes of the blobs.
    bytes: u64,
    most: u64,
}

/// A manifest or an index; no document may be both.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u32,
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

fn wrong(digest: &Digest, why: impl Into<String>) -> ArtifactError {
    ArtifactError::Document { what: format!("manifest {digest}"), why: why.into() }
}

impl Parts {
    /// Those of an image whose blobs may have `most` bytes together.
    pub(super) fn within(most: u64) -> Self {
        Parts { named: 1, most, ..Parts::default() }
    }

    /// The manifests, those that are named before those that name them.
    pub(super) fn manifests(&self) -> impl Iterator<Item = &(Digest, Stored)> {
        self.manifests.iter().rev() // they were read from the image downwards
    }

    /// The manifest of the image itself.
    pub(super) fn image(&self) -> Option<&Stored> {
        self.manifests.first().map(|(_, stored)| stored)
    }

    /// Takes a manifest in, and tells which others it names.
    ///
    /// # Errors
    /// When it is no manifest of an image, or the image is larger or deeper than it may be.
    pub(super) fn add(&mut self, open: &Open, stored: Stored) -> Result<Vec<Open>, ArtifactError> {
        let digest = &open.digest;
        let size = u64::try_from(stored.bytes.len()).unwrap_or(u64::MAX);
        if !MANIFESTS.contains(&stored.media_type.as_str()) {
            let what = format!("`{}` is no image and no index", shown(&stored.media_type));
            return Err(wrong(digest, what));
        }
        if open.said.as_ref().is_some_and(|(kind, said)| *kind != stored.media_type || *said != size) {
            return Err(wrong(digest, "it has another type or size than the index says"));
        }
        let read = serde_json::from_slice(&stored.bytes);
        let document: Document = read.map_err(|error| wrong(digest, shown(&error.to_string())))?;
        if document.schema_version != 2 || document.media_type.is_some_and(|kind| kind != stored.media_type) {
            return Err(wrong(digest, "it says another version or type than the registry"));
        }
        self.held = self.held.saturating_add(stored.bytes.len());
        if self.held > MANIFEST_BYTES {
            return Err(wrong(digest, format!("all its manifests have more than {MANIFEST_BYTES} bytes")));
        }
        let index = stored.media_type.contains("index") || stored.media_type.contains("list");
        self.manifests.push((digest.clone(), stored));
        match (index, document.manifests, document.config, document.layers) {
            (true, Some(named), None, None) => self.below(open, &named),
            (false, None, Some(config), Some(layers)) => {
                std::iter::once(&config).chain(&layers).try_for_each(|blob| self.blob(digest, blob))?;
                Ok(Vec::new())
            }
            _ => Err(wrong(digest, "it is neither an image nor an index, or it is both")),
        }
    }

    fn below(&mut self, open: &Open, named: &[Descriptor]) -> Result<Vec<Open>, ArtifactError> {
        let depth = open.depth + 1;
        self.named = self.named.saturating_add(named.len());
        if self.named > MOST_MANIFESTS {
            return Err(wrong(&open.digest, format!("the image has more than {MOST_MANIFESTS} manifests")));
        }
        if depth > DEPTH {
            return Err(wrong(&open.digest, format!("its manifests lie more than {DEPTH} deep")));
        }
        let one = |said: &Descriptor| {
            let digest = digest(said).map_err(|why| wrong(&open.digest, why))?;
            Ok(Open { digest, said: Some((said.media_type().to_string(), said.size())), depth })
        };
        named.iter().map(one).collect()
    }

    fn blob(&mut self, of: &Digest, said: &Descriptor) -> Result<(), ArtifactError> {
        let digest = digest(said).map_err(|why| wrong(of, why))?;
        match self.blobs.insert(digest, said.size()) {
            Some(size) if size != said.size() => return Err(wrong(of, "it gives one blob two sizes")),
            Some(_) => return Ok(()),
            None => self.bytes = self.bytes.saturating_add(said.size()),
        }
        if self.blobs.len() > MOST_BLOBS {
            return Err(wrong(of, format!("the image has more than {MOST_BLOBS} blobs")));
        }
        if self.bytes > self.most {
            return Err(ArtifactError::TooLarge { what: "the image".to_owned(), most: self.most });
        }
        Ok(())
    }
}

fn digest(said: &Descriptor) -> Result<Digest, &'static str> {
    said.digest().to_string().parse()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const IMAGE: &str = MANIFESTS[0];
    const INDEX: &str = MANIFESTS[1];

    fn stored(kind: &str, document: &Value) -> Stored {
        Stored { media_type: kind.to_owned(), bytes: serde_json::to_vec(document).unwrap() }
    }

    fn blob(text: &str) -> Value {
        json!({"mediaType": "application/x", "digest": Digest::of(text.as_bytes()).to_string(), "size": text.len()})
    }

    fn image(layers: &[&str]) -> Value {
        let layers: Vec<Value> = layers.iter().map(|text| blob(text)).collect();
        json!({"schemaVersion": 2, "mediaType": IMAGE, "config": blob("{}"), "layers": layers})
    }

    fn named(kind: &str, document: &Value) -> Value {
        let bytes = serde_json::to_vec(document).unwrap();
        json!({"mediaType": kind, "digest": Digest::of(&bytes).to_string(), "size": bytes.len()})
    }

    fn index(below: &[Value]) -> Value {
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": below})
    }

    /// Reads all that is named, as it would be from a registry that has these.
    fn all(most: u64, documents: &[(&str, &Value)]) -> Result<Parts, ArtifactError> {
        let there: Vec<Stored> = documents.iter().map(|(kind, document)| stored(kind, document)).collect();
        let there: BTreeMap<Digest, &Stored> =
            there.iter().map(|one| (Digest::of(&one.bytes), one)).collect();
        let first = serde_json::to_vec(documents[0].1).unwrap();
        let mut open = vec![Open::image(&Digest::of(&first))];
        let mut parts = Parts::within(most);
        while let Some(one) = open.pop() {
            let more = parts.add(&one, there[&one.digest].clone())?;
            open.extend(more);
        }
        Ok(parts)
    }

    #[test]
    fn row_35_every_part_is_named_before_what_names_it() {
        let (one, two) = (image(&["a", "b"]), image(&["b", "c"]));
        let inner = index(&[named(IMAGE, &one)]);
        let outer = index(&[named(IMAGE, &one), named(INDEX, &inner), named(IMAGE, &two)]);
        let documents = [(INDEX, &outer), (IMAGE, &one), (INDEX, &inner), (IMAGE, &two)];
        let parts = all(1000, &documents).unwrap();
        assert_eq!(parts.blobs.len(), 4, "the configuration and three layers, each once");
        let mut seen = std::collections::BTreeSet::new();
        for (digest, stored) in parts.manifests() {
            let document: Document = serde_json::from_slice(&stored.bytes).unwrap();
            let below = document.manifests.unwrap_or_default();
            assert!(below.iter().all(|one| seen.contains(&one.digest().to_string())), "{digest}");
            seen.insert(digest.to_string());
        }
        assert_eq!(seen.len(), 4);
        assert_eq!(parts.image().unwrap(), &stored(INDEX, &outer));
    }

    #[test]
    fn row_35_a_manifest_that_says_two_things_is_refused() {
        let good = image(&["a"]);
        let with = |change: Value| {
            let mut document = good.clone();
            document.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            document
        };
        let short = json!({"mediaType": "x", "digest": "sha256:0", "size": 1});
        let twice = json!({"mediaType": "x", "digest": Digest::of(b"a").to_string(), "size": 7});
        let negative = json!({"mediaType": "x", "digest": Digest::of(b"a").to_string(), "size": -1});
        for (kind, document, word) in [
            (IMAGE, with(json!({"manifests": []})), "both"),
            (INDEX, with(json!({"mediaType": INDEX, "manifests": []})), "both"),
            (INDEX, good.clone(), "another version or type"),
            (IMAGE, with(json!({"schemaVersion": 1})), "another version or type"),
            ("application/json", good.clone(), "no image"),
            (IMAGE, with(json!({"layers": null})), "neither"),
            (IMAGE, with(json!({"layers": [short]})), ""),
            (IMAGE, with(json!({"layers": [negative]})), "invalid"),
            (IMAGE, with(json!({"layers": [blob("a"), twice]})), "two sizes"),
            (IMAGE, json!([]), "invalid"),
        ] {
            let refused = all(1000, &[(kind, &document)]).unwrap_err();
            assert!(matches!(&refused, ArtifactError::Document { .. }), "{refused}");
            assert!(refused.to_string().contains(word), "{word}: {refused}");
        }
        // What the index says of it must be so.
        for (key, value) in [("size", json!(3)), ("mediaType", json!(INDEX))] {
            let mut lie = named(IMAGE, &good);
            lie[key] = value;
            let refused = all(1000, &[(INDEX, &index(&[lie])), (IMAGE, &good)]).unwrap_err();
            assert!(refused.to_string().contains("another type or size"), "{refused}");
        }
    }

    #[test]
    fn row_35_an_image_has_bounds() {
        let leaf = image(&["a"]);
        assert!(all(3, &[(IMAGE, &leaf)]).is_ok());
        assert!(matches!(all(2, &[(IMAGE, &leaf)]), Err(ArtifactError::TooLarge { most: 2, .. })));
        let huge = json!({"mediaType": "x", "digest": Digest::of(b"a").to_string(), "size": u64::MAX});
        let huge = json!({"schemaVersion": 2, "config": blob("{}"), "layers": [huge]});
        assert!(matches!(all(u64::MAX - 1, &[(IMAGE, &huge)]), Err(ArtifactError::TooLarge { .. })));

        let second = index(&[named(IMAGE, &leaf)]);
        let first = index(&[named(INDEX, &second)]);
        let deep = index(&[named(INDEX, &first)]);
        let below = [(INDEX, &first), (INDEX, &second), (IMAGE, &leaf)];
        assert!(all(1000, &below).is_ok());
        let refused = all(1000, &[&[(INDEX, &deep)][..], &below].concat()).unwrap_err();
        assert!(refused.to_string().contains("deep"), "{refused}");

        let wide = |many: usize| index(&vec![named(IMAGE, &leaf); many]);
        assert!(all(1000, &[(INDEX, &wide(63)), (IMAGE, &leaf)]).is_ok());
        let refused = all(1000, &[(INDEX, &wide(64)), (IMAGE, &leaf)]).unwrap_err();
        assert!(refused.to_string().contains("64 manifests"), "{refused}");
        let layers: Vec<String> = (0..4096).map(|number| number.to_string()).collect();
        let layers: Vec<&str> = layers.iter().map(String::as_str).collect();
        let refused = all(1 << 30, &[(IMAGE, &image(&layers))]).unwrap_err();
        assert!(refused.to_string().contains("4096 blobs"), "{refused}");
    }
}
