//! Packages made byte by byte, thousands in a second: their headers say whatever a test wants, their digests are right.
//!
//! `rpmbuild` makes every package that is installed anywhere; these are only ever read.

use hex::encode;
use sha2::{Digest, Sha256};

const EQUAL: u32 = 1 << 3;

/// A sound package, `NAME-1.0-1.el9.x86_64`, that nobody would build.
#[derive(Debug, Clone, Default)]
pub struct Crafted {
    name: String,
    provides: Vec<(String, String)>,
    requires: Vec<String>,
    directory: String,
    files: Vec<String>,
    changes: usize,
    payload: Vec<u8>,
}

enum Value {
    Text(String),
    Texts(Vec<String>),
    Numbers(Vec<u32>),
}

impl Crafted {
    /// A package of this name that provides itself.
    pub fn new(name: &str) -> Self {
        let payload = format!("the files of {name}").into_bytes();
        Crafted { name: name.to_owned(), payload, ..Crafted::default() }.provides(name, "1.0-1.el9")
    }

    /// The base name of its file.
    pub fn file_name(&self) -> String {
        format!("{}-1.0-1.el9.x86_64.rpm", self.name)
    }

    /// Something it provides in that version.
    #[must_use]
    pub fn provides(mut self, name: &str, version: &str) -> Self {
        self.provides.push((name.to_owned(), version.to_owned()));
        self
    }

    /// Something it requires in any version.
    #[must_use]
    pub fn requires(mut self, name: &str) -> Self {
        self.requires.push(name.to_owned());
        self
    }

    /// Files, all in one directory, which stands in the header once.
    #[must_use]
    pub fn files(mut self, directory: &str, names: impl IntoIterator<Item = String>) -> Self {
        directory.clone_into(&mut self.directory);
        self.files = names.into_iter().collect();
        self
    }

    /// The times of so many changes, four bytes each, which nobody asks for.
    #[must_use]
    pub fn changes(mut self, count: usize) -> Self {
        self.changes = count;
        self
    }

    /// The bytes of the file.
    pub fn build(&self) -> Vec<u8> {
        let main = header(63, &self.tags());
        let signature = header(62, &[(273, Value::Text(encode(Sha256::digest(&main))))]);
        let mut file = vec![0; 96];
        file[..6].copy_from_slice(&[0xed, 0xab, 0xee, 0xdb, 3, 0]);
        file[76..80].copy_from_slice(&[0, 1, 0, 5]);
        file.extend(signature);
        file.resize(file.len().next_multiple_of(8), 0);
        file.extend(main);
        file.extend(&self.payload);
        file
    }

    /// In the order of their numbers, as every header has them.
    fn tags(&self) -> Vec<(u32, Value)> {
        let text = |text: &str| Value::Text(text.to_owned());
        let mut tags = vec![
            (1000, text(&self.name)),
            (1001, text("1.0")),
            (1002, text("1.el9")),
            (1009, Value::Numbers(vec![4096])),
            (1021, text("linux")),
            (1022, text("x86_64")),
            (1044, text("crafted-1.0-1.el9.src.rpm")),
            (1047, Value::Texts(self.provides.iter().map(|(name, _)| name.clone()).collect())),
        ];
        if !self.requires.is_empty() {
            tags.push((1048, Value::Numbers(vec![0; self.requires.len()])));
            tags.push((1049, Value::Texts(self.requires.clone())));
            tags.push((1050, Value::Texts(vec![String::new(); self.requires.len()])));
        }
        if self.changes > 0 {
            tags.push((1080, Value::Numbers(vec![7; self.changes])));
        }
        tags.push((1112, Value::Numbers(vec![EQUAL; self.provides.len()])));
        tags.push((1113, Value::Texts(self.provides.iter().map(|(_, version)| version.clone()).collect())));
        if !self.files.is_empty() {
            tags.push((1116, Value::Numbers(vec![0; self.files.len()])));
            tags.push((1117, Value::Texts(self.files.clone())));
            tags.push((1118, Value::Texts(vec![self.directory.clone()])));
        }
        tags.push((5062, text("utf-8")));
        tags.push((5092, Value::Texts(vec![encode(Sha256::digest(&self.payload))])));
        tags.push((5093, Value::Numbers(vec![8])));
        tags
    }
}

/// One header with its region.
fn header(region: u32, tags: &[(u32, Value)]) -> Vec<u8> {
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for (tag, value) in tags {
        let (kind, count) = match value {
            Value::Text(_) => (6, 1),
            Value::Texts(texts) => (8, texts.len()),
            Value::Numbers(numbers) => (4, numbers.len()),
        };
        if kind == 4 {
            data.resize(data.len().next_multiple_of(4), 0);
        }
        index.extend(words([*tag, kind, number(data.len()), number(count)]));
        match value {
            Value::Text(text) => data.extend(text.bytes().chain([0])),
            Value::Texts(texts) => texts.iter().for_each(|text| data.extend(text.bytes().chain([0]))),
            Value::Numbers(numbers) => data.extend(numbers.iter().flat_map(|number| number.to_be_bytes())),
        }
    }
    let entries = number(tags.len() + 1);
    let own = words([region, 7, number(data.len()), 16]);
    data.extend(words([region, 7, (entries * 16).wrapping_neg(), 16]));
    let mut header = vec![0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
    header.extend(entries.to_be_bytes());
    header.extend(number(data.len()).to_be_bytes());
    header.extend(own);
    header.extend(index);
    header.extend(data);
    header
}

fn words(words: [u32; 4]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn number(count: usize) -> u32 {
    u32::try_from(count).expect("a header of that size can be written")
}
