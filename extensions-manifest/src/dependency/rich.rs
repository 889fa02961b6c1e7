//! Boolean ("rich") dependencies: rpm's grammar, and what each operator means.
//!
//! Decides: the shape of a tree and whether it holds. Must not: know packages; it asks through [`World`].

use std::fmt;

use super::{Capability, checked};
use crate::error::{ManifestError, excerpt};
use crate::limits;

/// A boolean ("rich") dependency, as rpm's manual describes them under *boolean dependencies*.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rich {
    /// A plain capability inside a rich dependency.
    Plain(Capability),
    /// `(a and b …)`
    And(Vec<Rich>),
    /// `(a or b …)`
    Or(Vec<Rich>),
    /// `(a if b)` and `(a if b else c)`
    If(Box<Rich>, Box<Rich>, Option<Box<Rich>>),
    /// `(a unless b)` and `(a unless b else c)`
    Unless(Box<Rich>, Box<Rich>, Option<Box<Rich>>),
    /// `(a with b …)`: one package meets all.
    With(Vec<Rich>),
    /// `(a without b)`: one package meets a and not b.
    Without(Box<Rich>, Box<Rich>),
}

impl Rich {
    /// Whether the dependency holds, where `met` says whether some package meets a leaf: a plain capability, or a
    /// `with` or `without` that one package has to meet as a whole.
    pub fn holds(&self, met: &mut dyn FnMut(&Rich) -> bool) -> bool {
        match self {
            Rich::Plain(_) | Rich::With(_) | Rich::Without(..) => met(self),
            Rich::And(parts) => parts.iter().all(|part| part.holds(met)),
            Rich::Or(parts) => parts.iter().any(|part| part.holds(met)),
            Rich::If(then, condition, otherwise) => {
                if condition.holds(met) {
                    then.holds(met)
                } else {
                    otherwise.as_ref().is_none_or(|otherwise| otherwise.holds(met))
                }
            }
            Rich::Unless(then, condition, otherwise) => {
                if condition.holds(met) {
                    otherwise.as_ref().is_some_and(|otherwise| otherwise.holds(met))
                } else {
                    then.holds(met)
                }
            }
        }
    }

    /// Whether one package meets this, where `provides` says whether that package provides a capability.
    ///
    /// Inside `with` and `without` the grammar leaves only `or`, `with` and `without`; the other operators speak of
    /// several packages and are never met by one.
    pub fn met_by_one(&self, provides: &mut dyn FnMut(&Capability) -> bool) -> bool {
        match self {
            Rich::Plain(capability) => provides(capability),
            Rich::Or(parts) => parts.iter().any(|part| part.met_by_one(provides)),
            Rich::With(parts) => parts.iter().all(|part| part.met_by_one(provides)),
            Rich::Without(wanted, excluded) => wanted.met_by_one(provides) && !excluded.met_by_one(provides),
            Rich::And(_) | Rich::If(..) | Rich::Unless(..) => false,
        }
    }

    /// Every capability that is mentioned, conditions included.
    pub fn capabilities(&self) -> Vec<&Capability> {
        match self {
            Rich::Plain(capability) => vec![capability],
            Rich::And(parts) | Rich::Or(parts) | Rich::With(parts) => {
                parts.iter().flat_map(Rich::capabilities).collect()
            }
            Rich::If(one, two, three) | Rich::Unless(one, two, three) => {
                let mut all = one.capabilities();
                all.extend(two.capabilities());
                all.extend(three.iter().flat_map(|three| three.capabilities()));
                all
            }
            Rich::Without(one, two) => {
                let mut all = one.capabilities();
                all.extend(two.capabilities());
                all
            }
        }
    }

    /// Reads a rich dependency: `(` … `)`, all of the text.
    pub(super) fn parse(text: &str) -> Result<Self, ManifestError> {
        let refused = |problem| ManifestError::Dependency { text: excerpt(text), problem };
        if text.len() > limits::DEPENDENCY_BYTES {
            return Err(refused("it is too long"));
        }
        let mut reader = Reader { rest: text };
        let rich = reader.group(0).map_err(|error| match error {
            Refused::Problem(problem) => refused(problem),
            Refused::Inner(inner) => inner,
        })?;
        if reader.rest.is_empty() { Ok(rich) } else { Err(refused("there is text after the last bracket")) }
    }

    fn stands_inside_with(&self) -> bool {
        match self {
            Rich::Plain(_) | Rich::Or(_) | Rich::With(_) | Rich::Without(..) => true,
            Rich::And(_) | Rich::If(..) | Rich::Unless(..) => false,
        }
    }
}

enum Refused {
    Problem(&'static str),
    Inner(ManifestError),
}

impl From<&'static str> for Refused {
    fn from(problem: &'static str) -> Self {
        Self::Problem(problem)
    }
}

impl From<ManifestError> for Refused {
    fn from(inner: ManifestError) -> Self {
        Self::Inner(inner)
    }
}

/// What is left of the text. Every step takes at least one byte of it, so reading ends.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn skip_blanks(&mut self) {
        // rpm skips commas too.
        self.rest = self.rest.trim_start_matches([' ', '\t', ',']);
    }

    /// The next word. Brackets inside a word (`config(foo)`) belong to it and are balanced: rpm also takes `config(foo` before
    /// a blank, but means something else by it before a bracket.
    fn word(&mut self) -> Result<&'a str, Refused> {
        let mut open = 0_usize;
        let end = self.rest.find(|c: char| match c {
            '(' => {
                open = open.saturating_add(1);
                false
            }
            ')' if open == 0 => true,
            ')' => {
                open = open.saturating_sub(1);
                false
            }
            ' ' | '\t' | ',' => true,
            _ => false,
        });
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        if open == 0 { Ok(word) } else { Err("a bracket inside a word is not closed".into()) }
    }

    fn operand(&mut self, depth: usize) -> Result<Rich, Refused> {
        self.skip_blanks();
        if self.rest.starts_with('(') {
            return self.group(depth.saturating_add(1));
        }
        let name = self.word()?;
        if name.is_empty() {
            return Err("an operand is missing".into());
        }
        self.skip_blanks();
        let before = self.rest;
        let bound = match super::Relation::parse(self.word()?) {
            Some(relation) => {
                self.skip_blanks();
                let evr = self.word()?;
                if evr.is_empty() {
                    return Err("a version is missing".into());
                }
                Some((relation, evr))
            }
            None => {
                self.rest = before;
                None
            }
        };
        checked(name)?;
        Ok(Rich::Plain(Capability::new(name, bound)?))
    }

    fn group(&mut self, depth: usize) -> Result<Rich, Refused> {
        if depth >= limits::RICH_DEPTH {
            return Err("it is nested too deep".into());
        }
        self.rest = self.rest.strip_prefix('(').ok_or("it does not start with a bracket")?;
        let mut operands = vec![self.operand(depth)?];
        let mut operators = Vec::new();
        loop {
            self.skip_blanks();
            if let Some(rest) = self.rest.strip_prefix(')') {
                self.rest = rest;
                return build(&operators, operands);
            }
            match self.word()? {
                "" => return Err("a bracket is not closed".into()),
                operator => operators.push(operator),
            }
            operands.push(self.operand(depth)?);
        }
    }
}

/// Joins operands by rpm's rules: only `and`, `or` and `with` chain, and only with themselves.
fn build(operators: &[&str], mut operands: Vec<Rich>) -> Result<Rich, Refused> {
    let mut take = || operands.drain(..).map(Box::new).collect::<Vec<_>>();
    match operators {
        [] | ["and", ..] | ["or", ..] | ["with", ..] => {}
        ["if"] | ["if", "else"] | ["unless"] | ["unless", "else"] => {
            let is_if = operators.first() == Some(&"if");
            let mut parts = take().into_iter();
            let (Some(then), Some(condition)) = (parts.next(), parts.next()) else {
                return Err("an operand is missing".into());
            };
            let otherwise = parts.next();
            return Ok(if is_if {
                Rich::If(then, condition, otherwise)
            } else {
                Rich::Unless(then, condition, otherwise)
            });
        }
        ["without"] => {
            let mut parts = take().into_iter();
            let (Some(wanted), Some(excluded)) = (parts.next(), parts.next()) else {
                return Err("an operand is missing".into());
            };
            if !wanted.stands_inside_with() || !excluded.stands_inside_with() {
                return Err("`without` joins capabilities of one package only".into());
            }
            return Ok(Rich::Without(wanted, excluded));
        }
        ["if" | "unless" | "without" | "else", ..] => return Err("its operators do not chain".into()),
        [..] => return Err("an operator is unknown".into()),
    }
    let Some(first) = operators.first() else {
        return operands.pop().ok_or_else(|| "it is empty".into());
    };
    if operators.iter().any(|operator| operator != first) {
        return Err("its operators do not chain".into());
    }
    match *first {
        "and" => Ok(Rich::And(operands)),
        "or" => Ok(Rich::Or(operands)),
        _ if operands.iter().all(Rich::stands_inside_with) => Ok(Rich::With(operands)),
        _ => Err("`with` joins capabilities of one package only".into()),
    }
}

impl fmt::Display for Rich {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = |out: &mut fmt::Formatter<'_>, parts: &[Rich], operator: &str| {
            out.write_str("(")?;
            for (place, part) in parts.iter().enumerate() {
                if place > 0 {
                    write!(out, " {operator} ")?;
                }
                write!(out, "{part}")?;
            }
            out.write_str(")")
        };
        match self {
            Rich::Plain(capability) => write!(out, "{capability}"),
            Rich::And(parts) => chain(out, parts, "and"),
            Rich::Or(parts) => chain(out, parts, "or"),
            Rich::With(parts) => chain(out, parts, "with"),
            Rich::Without(wanted, excluded) => write!(out, "({wanted} without {excluded})"),
            Rich::If(then, condition, None) => write!(out, "({then} if {condition})"),
            Rich::If(then, condition, Some(other)) => write!(out, "({then} if {condition} else {other})"),
            Rich::Unless(then, condition, None) => write!(out, "({then} unless {condition})"),
            Rich::Unless(then, condition, Some(other)) => {
                write!(out, "({then} unless {condition} else {other})")
            }
        }
    }
}
