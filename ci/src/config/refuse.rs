//! A refusal with its line and path, and the rule that all lists have.
//!
//! Decides: how long a list of names may be. Must not: know what the names are of. Input: what was decoded, with its lines.

use std::collections::BTreeSet;

use serde_saphyr::Spanned;

use super::ConfigError;
use super::words::Name;

/// Most providers, pools of one, labels of one.
const MANY: usize = 200;

/// Whether a rule holds.
pub(super) type Checked = Result<(), ConfigError>;

/// It does not, at that line and path.
pub(super) fn refuse<T>(at: &Spanned<T>, path: &str, problem: String) -> Checked {
    Err(ConfigError::Wrong { line: at.referenced.line(), path: path.to_owned(), problem })
}

/// Names in one list are different, and there are not too many.
pub(super) fn once<T>(list: &[Spanned<T>], path: &str, name: impl Fn(&T) -> &Name) -> Checked {
    let mut seen = BTreeSet::new();
    for (at, one) in list.iter().enumerate() {
        if at >= MANY {
            refuse(one, path, format!("more than {MANY}"))?;
        }
        if !seen.insert(name(&one.value)) {
            refuse(one, &format!("{path}[{}]", name(&one.value)), "the name occurs twice".to_owned())?;
        }
    }
    Ok(())
}
