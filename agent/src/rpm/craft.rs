//! Packages made byte by byte, for tests: sound ones, and ones that are wrong at exactly one place.

use extensions_manifest::Sha256Digest;

pub(crate) const LESS: u32 = 1 << 1;
pub(crate) const GREATER: u32 = 1 << 2;
pub(crate) const EQUAL: u32 = 1 << 3;
pub(crate) const MISSING_OK: u32 = 1 << 19;

/// The value of one tag.
#[derive(Clone)]
pub(crate) enum Value {
    Text(String),
    Texts(Vec<String>),
    Numbers(Vec<u32>),
}

type Dependency = (String, u32, String);

/// A package that is sound unless a test breaks it.
#[derive(Clone)]
pub(crate) struct Craft {
    pub(crate) tags: Vec<(u32, Value)>,
    pub(crate) signature_tags: Vec<(u32, Value)>,
    pub(crate) payload: Vec<u8>,
    pub(crate) digests: bool,
    pub(crate) provides: Vec<Dependency>,
    pub(crate) requires: Vec<Dependency>,
    pub(crate) conflicts: Vec<Dependency>,
    pub(crate) files: Vec<String>,
}

pub(crate) fn craft(name: &str) -> Craft {
    let text = |text: &str| Value::Text(text.to_owned());
    let tags = vec![
        (1000, text(name)),
        (1001, text("1.0")),
        (1002, text("1.el9")),
        (1009, Value::Numbers(vec![4096])),
        (1021, text("linux")),
        (1022, text("x86_64")),
        (1044, text("src.rpm")),
        (5062, text("utf-8")),
    ];
    let payload = format!("the payload of {name}").into_bytes();
    let provides = vec![(name.to_owned(), EQUAL, "1.0-1.el9".to_owned())];
    Craft {
        tags,
        signature_tags: Vec::new(),
        payload,
        digests: true,
        provides,
        requires: Vec::new(),
        conflicts: Vec::new(),
        files: vec![format!("/usr/bin/{name}")],
    }
}

impl Craft {
    /// Sets a tag, or takes it away.
    pub(crate) fn tag(mut self, tag: u32, value: Option<Value>) -> Self {
        self.tags.retain(|(other, _)| *other != tag);
        self.tags.extend(value.map(|value| (tag, value)));
        self
    }

    pub(crate) fn text(self, tag: u32, value: &str) -> Self {
        self.tag(tag, Some(Value::Text(value.to_owned())))
    }

    pub(crate) fn version(self, version: &str) -> Self {
        self.text(1001, version)
    }

    pub(crate) fn requires(mut self, name: &str, flags: u32, version: &str) -> Self {
        self.requires.push((name.to_owned(), flags, version.to_owned()));
        self
    }

    pub(crate) fn payload(mut self, payload: Vec<u8>) -> Self {
        self.payload = payload;
        self
    }

    pub(crate) fn file(mut self, path: &str) -> Self {
        self.files.push(path.to_owned());
        self
    }

    /// All tags of the main header.
    pub(crate) fn main_tags(&self) -> Vec<(u32, Value)> {
        let mut tags = self.tags.clone();
        let groups = [
            (&self.provides, [1047, 1112, 1113]),
            (&self.requires, [1049, 1048, 1050]),
            (&self.conflicts, [1054, 1053, 1055]),
        ];
        for (dependencies, [name, flags, version]) in groups {
            if !dependencies.is_empty() {
                tags.push((name, Value::Texts(dependencies.iter().map(|d| d.0.clone()).collect())));
                tags.push((flags, Value::Numbers(dependencies.iter().map(|d| d.1).collect())));
                tags.push((version, Value::Texts(dependencies.iter().map(|d| d.2.clone()).collect())));
            }
        }
        if !self.files.is_empty() {
            let split =
                |path: &String| path.rsplit_once('/').map(|(d, n)| (format!("{d}/"), n.to_owned())).unwrap();
            let (directories, names): (Vec<_>, Vec<_>) = self.files.iter().map(split).unzip();
            tags.push((1116, Value::Numbers((0..names.len() as u32).collect())));
            tags.push((1117, Value::Texts(names)));
            tags.push((1118, Value::Texts(directories)));
        }
        if self.digests {
            tags.push((5092, Value::Texts(vec![Sha256Digest::of(&self.payload).hex()])));
            tags.push((5093, Value::Numbers(vec![8])));
        }
        tags.retain(|(tag, value)| !(*tag == 5093 && !self.digests && matches!(value, Value::Numbers(_))));
        tags
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let main = header(63, self.main_tags());
        let mut signature = self.signature_tags.clone();
        if self.digests && !signature.iter().any(|(tag, _)| *tag == 273) {
            signature.push((273, Value::Text(Sha256Digest::of(&main).hex())));
        }
        if signature.is_empty() {
            signature.push((1007, Value::Numbers(vec![1])));
        }
        assemble(&header(62, signature), &main, &self.payload)
    }
}

/// Lead, signature header with its padding, main header, payload.
pub(crate) fn assemble(signature: &[u8], main: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut file = vec![0; 96];
    file[..6].copy_from_slice(&[0xed, 0xab, 0xee, 0xdb, 3, 0]);
    file[76..80].copy_from_slice(&[0, 1, 0, 5]);
    file.extend_from_slice(signature);
    file.resize(file.len().next_multiple_of(8), 0);
    file.extend_from_slice(main);
    file.extend_from_slice(payload);
    file
}

/// One header with its region, tags in order.
pub(crate) fn header(region: u32, mut tags: Vec<(u32, Value)>) -> Vec<u8> {
    tags.sort_by_key(|(tag, _)| *tag);
    let (mut index, mut data) = (Vec::new(), Vec::new());
    let mut entry = |fields: [u32; 4]| index.extend(fields.iter().flat_map(|field| field.to_be_bytes()));
    let mut entries = Vec::new();
    for (tag, value) in &tags {
        let (kind, count) = match value {
            Value::Text(_) => (6, 1),
            Value::Texts(texts) => (8, texts.len()),
            Value::Numbers(numbers) => {
                data.resize(data.len().next_multiple_of(4), 0);
                (4, numbers.len())
            }
        };
        entries.push([*tag, kind, data.len() as u32, count as u32]);
        match value {
            Value::Text(text) => data.extend(text.bytes().chain([0])),
            Value::Texts(texts) => texts.iter().for_each(|text| data.extend(text.bytes().chain([0]))),
            Value::Numbers(numbers) => data.extend(numbers.iter().flat_map(|number| number.to_be_bytes())),
        }
    }
    let covered = (tags.len() as u32 + 1) * 16;
    entry([region, 7, data.len() as u32, 16]);
    entries.into_iter().for_each(&mut entry);
    data.extend([region, 7, covered.wrapping_neg(), 16].iter().flat_map(|field: &u32| field.to_be_bytes()));
    let mut header = vec![0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
    header.extend((tags.len() as u32 + 1).to_be_bytes());
    header.extend((data.len() as u32).to_be_bytes());
    header.extend(index);
    header.extend(data);
    header
}
