//! A JSON value that keeps duplicate keys, so that they can be refused, and knows its place, so that errors name it.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::error::{ManifestError, excerpt};
use crate::limits;

/// A JSON value. serde_json bounds its depth (128), the caller bounds its bytes, [`Json::parse`] its values.
#[derive(Debug)]
pub(super) enum Json {
    /// `null`, a number or a boolean, none of which a map has a use for.
    Other(&'static str),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object, in the order of the document.
    Object(Vec<(String, Json)>),
}

/// A value and its path in the document.
#[derive(Debug, Clone)]
pub(super) struct At<'a> {
    path: String,
    value: &'a Json,
}

impl Json {
    /// Parses a whole document.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let left = Cell::new(limits::MAP_VALUES);
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let parsed = Next(&left).deserialize(&mut reader).and_then(|json| reader.end().map(|()| json));
        parsed.map_err(|error| {
            if left.get() == 0 {
                let (what, limit) = ("values of the extension map".to_owned(), limits::MAP_VALUES as u64);
                return ManifestError::Limit { what, found: limit + 1, limit };
            }
            // The message of serde_json names line and column and shows no value of the document but keys, escaped.
            let problem = format!("not JSON: {}", excerpt(&error.to_string()));
            ManifestError::Document { path: "document".to_owned(), problem }
        })
    }

    fn kind(&self) -> &'static str {
        match self {
            Json::Other(kind) => kind,
            Json::Text(_) => "a string",
            Json::List(_) => "a list",
            Json::Object(_) => "an object",
        }
    }
}

impl<'a> At<'a> {
    /// The document itself.
    pub(super) fn root(value: &'a Json) -> Self {
        Self { path: String::new(), value }
    }

    /// The error that something is wrong here.
    pub(super) fn refuse(&self, problem: impl Into<String>) -> ManifestError {
        let path = if self.path.is_empty() { "document".to_owned() } else { self.path.clone() };
        ManifestError::Document { path, problem: problem.into() }
    }

    /// Turns an error of a value's own grammar into one that names this place.
    pub(super) fn parse<T: std::str::FromStr<Err = ManifestError>>(&self) -> Result<T, ManifestError> {
        self.text()?.parse().map_err(|error: ManifestError| self.refuse(error.to_string()))
    }

    /// The string that stands here.
    pub(super) fn text(&self) -> Result<&'a str, ManifestError> {
        match self.value {
            Json::Text(text) => Ok(text),
            Json::Other(_) | Json::List(_) | Json::Object(_) => Err(self.expected("a string")),
        }
    }

    /// The items of the list that stands here.
    pub(super) fn items(&self, limit: usize) -> Result<Vec<At<'a>>, ManifestError> {
        let Json::List(items) = self.value else { return Err(self.expected("a list")) };
        self.bounded(items.len(), limit)?;
        let item = |(place, value)| At { path: format!("{}[{place}]", self.path), value };
        Ok(items.iter().enumerate().map(item).collect())
    }

    /// The fields of the object that stands here; a key that stands there twice is refused.
    pub(super) fn fields(&self, limit: usize) -> Result<Vec<(&'a str, At<'a>)>, ManifestError> {
        let Json::Object(fields) = self.value else { return Err(self.expected("an object")) };
        self.bounded(fields.len(), limit)?;
        let dot = if self.path.is_empty() { "" } else { "." };
        let mut seen = BTreeSet::new();
        let mut placed = Vec::new();
        for (key, value) in fields {
            let here = At { path: format!("{}{dot}{}", self.path, excerpt(key)), value };
            if !seen.insert(key) {
                return Err(here.refuse("this key is there twice"));
            }
            placed.push((key.as_str(), here));
        }
        Ok(placed)
    }

    /// Whether `null` stands here, which the composer's types read as absent.
    pub(super) fn is_null(&self) -> bool {
        matches!(self.value, Json::Other("null"))
    }

    /// Whether a string stands here.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.value, Json::Text(_))
    }

    fn expected(&self, what: &str) -> ManifestError {
        self.refuse(format!("{what} is expected here, not {}", self.value.kind()))
    }

    fn bounded(&self, found: usize, limit: usize) -> Result<(), ManifestError> {
        if found <= limit {
            return Ok(());
        }
        let what = if self.path.is_empty() {
            "entries of the document".to_owned()
        } else {
            format!("entries of `{}`", self.path)
        };
        Err(ManifestError::Limit { what, found: found as u64, limit: limit as u64 })
    }
}

/// The next value, and how many more there may be: a value of a few bytes takes hundreds in memory.
#[derive(Clone, Copy)]
struct Next<'l>(&'l Cell<usize>);

impl<'de> DeserializeSeed<'de> for Next<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        let left = self.0.get().checked_sub(1).ok_or_else(|| D::Error::custom("too many values"))?;
        self.0.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Next<'_> {
    type Value = Json;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Other("a boolean"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Other("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Other("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other("a number"))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Other("null"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Json, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = object.next_entry_seed(PhantomData::<String>, self)? {
            fields.push(field);
        }
        Ok(Json::Object(fields))
    }
}
