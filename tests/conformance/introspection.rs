//! Introspection documents, read as far as the clauses need: interfaces, their members, their signatures.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::verdict::{Stop, Verdict, ensure, fail};

/// One interface: `in → out` of methods, the types of properties and of signals.
#[derive(Debug, Default)]
pub(crate) struct Interface {
    methods: BTreeMap<String, (String, String)>,
    properties: BTreeMap<String, String>,
    signals: BTreeMap<String, String>,
}

enum Open {
    Nothing,
    Method(String),
    Signal(String),
}

/// Reads the interfaces of one object.
pub(crate) fn parse(xml: &str) -> Result<BTreeMap<String, Interface>, Stop> {
    let mut reader = Reader::from_str(xml);
    let mut interfaces = BTreeMap::new();
    let mut current = String::new();
    let mut open = Open::Nothing;
    loop {
        let event = reader.read_event();
        let event = event.map_err(|error| Stop::Fail(format!("introspection is not XML: {error}")))?;
        if matches!(event, Event::Eof) {
            return Ok(interfaces);
        }
        let (Event::Start(tag) | Event::Empty(tag)) = event else { continue };
        if tag.name().as_ref() == "interface" {
            current = attribute(&tag, "name");
            open = Open::Nothing;
        }
        let interface: &mut Interface = interfaces.entry(current.clone()).or_default();
        read_member(interface, &mut open, &tag);
    }
}

fn read_member(interface: &mut Interface, open: &mut Open, tag: &BytesStart<'_>) {
    let name = attribute(tag, "name");
    match tag.name().as_ref() {
        "method" => {
            interface.methods.insert(name.clone(), Default::default());
            *open = Open::Method(name);
        }
        "signal" => {
            interface.signals.insert(name.clone(), String::new());
            *open = Open::Signal(name);
        }
        "property" => {
            interface.properties.insert(name, attribute(tag, "type"));
        }
        "arg" => {
            let kind = attribute(tag, "type");
            match open {
                Open::Nothing => {}
                Open::Signal(signal) => interface.signals.entry(signal.clone()).or_default().push_str(&kind),
                Open::Method(method) => {
                    let (inward, outward) = interface.methods.entry(method.clone()).or_default();
                    let side = if attribute(tag, "direction") == "out" { outward } else { inward };
                    side.push_str(&kind);
                }
            }
        }
        _ => {}
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> String {
    let found = tag.try_get_attribute(name).ok().flatten();
    found.map(|attribute| attribute.value.into_owned()).unwrap_or_default()
}

impl Interface {
    /// Every one of these methods is there with these signatures, written `name in -> out`.
    pub(crate) fn has_methods(&self, wanted: &[&str]) -> Verdict {
        let shown =
            |(name, (inward, outward)): (&String, &(String, String))| format!("{name} {inward} -> {outward}");
        let seen: Vec<String> = self.methods.iter().map(shown).collect();
        all("method", wanted, &seen)
    }

    /// Every one of these properties is there with this type, written `name type`.
    pub(crate) fn has_properties(&self, wanted: &[&str]) -> Verdict {
        all(
            "property",
            wanted,
            &self.properties.iter().map(|(name, kind)| format!("{name} {kind}")).collect::<Vec<_>>(),
        )
    }

    /// Every one of these signals is there with these arguments, written `name types`.
    pub(crate) fn has_signals(&self, wanted: &[&str]) -> Verdict {
        all(
            "signal",
            wanted,
            &self.signals.iter().map(|(name, kinds)| format!("{name} {kinds}")).collect::<Vec<_>>(),
        )
    }

    /// The names of its signals.
    pub(crate) fn signals(&self) -> Vec<&str> {
        self.signals.keys().map(String::as_str).collect()
    }

    /// Whether there is such a method at all.
    pub(crate) fn knows(&self, method: &str) -> bool {
        self.methods.contains_key(method)
    }
}

fn all(kind: &str, wanted: &[&str], seen: &[String]) -> Verdict {
    for member in wanted {
        let member = member.trim_end();
        let name = member.split(' ').next().unwrap_or_default();
        let found = seen.iter().find(|seen| seen.split(' ').next() == Some(name));
        let Some(found) = found else {
            return fail(format!("no {kind} `{name}`"));
        };
        ensure!(found.trim_end() == member, "{kind} `{found}`, not `{member}`");
    }
    Ok(())
}
