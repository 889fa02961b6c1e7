//! Release images: a small image whose list names the images that belong together.

use serde_json::{Value, json};

use super::{Image, Layer, Layout};

/// The description of a release image.
#[derive(Debug, Clone, Default)]
pub struct ReleaseImage {
    version: String,
    tags: Vec<(String, String)>,
}

impl ReleaseImage {
    /// A release of that version, which names nothing yet.
    pub fn new(version: &str) -> Self {
        Self { version: version.to_owned(), tags: Vec::new() }
    }

    /// Names an image, by its pullspec with a digest.
    #[must_use]
    pub fn names(mut self, tag: &str, pullspec: &str) -> Self {
        self.tags.push((tag.to_owned(), pullspec.to_owned()));
        self
    }

    /// The list as it lies in the image.
    pub fn references(&self) -> Value {
        let tag = |(name, pullspec): &(String, String)| {
            json!({"name": name, "annotations": {"io.openshift.build.versions": ""},
                "from": {"kind": "DockerImage", "name": pullspec}, "importPolicy": {}, "generation": null})
        };
        json!({"kind": "ImageStream", "apiVersion": "image.openshift.io/v1",
            "metadata": {"name": self.version, "creationTimestamp": "2024-11-21T00:00:00Z"},
            "spec": {"lookupPolicy": {"local": false}, "tags": self.tags.iter().map(tag).collect::<Vec<_>>()},
            "status": {"dockerImageRepository": ""}})
    }

    /// The image for this architecture: a system below, the list and other manifests on top.
    pub fn image(&self, architecture: &str) -> Image {
        let list = self.references().to_string();
        let top = Layer::new()
            .file("release-manifests/0000_50_other.yaml", "kind: ConfigMap\n")
            .file("release-manifests/image-references", list);
        Image::new(architecture)
            .label("io.openshift.release", &self.version)
            .layer(Layer::new().noise("usr/lib/noise", 64 << 10))
            .layer(top)
    }

    /// The layout on disk.
    pub fn build(&self) -> Layout {
        self.image("amd64").build()
    }
}
