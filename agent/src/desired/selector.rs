//! Which labels a selector means, as the API defines it. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::text::one_line;

/// Most requirements of one selector, and most values of one requirement.
const REQUIREMENTS: usize = 256;

/// A label selector. One without requirements selects everything; where an object has none at all, it selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    rule: Rule,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

/// A selector as it is written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawSelector {
    match_labels: Option<BTreeMap<String, String>>,
    match_expressions: Option<Vec<RawRequirement>>,
}

#[derive(Debug, Deserialize)]
struct RawRequirement {
    key: String,
    operator: String,
    values: Option<Vec<String>>,
}

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    /// When it has an operator that is not known, or one without the values it needs, or too many of anything.
    pub(super) fn of(raw: RawSelector) -> Result<Self, String> {
        let labels = raw.match_labels.unwrap_or_default();
        let expressions = raw.match_expressions.unwrap_or_default();
        if labels.len() + expressions.len() > REQUIREMENTS {
            return Err(format!("a selector has more than {REQUIREMENTS} requirements"));
        }
        let labels =
            labels.into_iter().map(|(key, value)| Ok(Requirement { key, rule: Rule::In(vec![value]) }));
        labels.chain(expressions.into_iter().map(Requirement::of)).collect::<Result<_, _>>().map(Selector)
    }

    /// Whether it selects what has these labels.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            match &requirement.rule {
                Rule::In(values) => value.is_some_and(|value| values.contains(value)),
                // What does not have the label at all has none of the values.
                Rule::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
                Rule::Exists => value.is_some(),
                Rule::DoesNotExist => value.is_none(),
            }
        })
    }
}

impl Requirement {
    fn of(raw: RawRequirement) -> Result<Self, String> {
        let values = raw.values.unwrap_or_default();
        if values.len() > REQUIREMENTS {
            return Err(format!("a selector has more than {REQUIREMENTS} values"));
        }
        let rule = match (raw.operator.as_str(), values.is_empty()) {
            ("In", false) => Rule::In(values),
            ("NotIn", false) => Rule::NotIn(values),
            ("Exists", true) => Rule::Exists,
            ("DoesNotExist", true) => Rule::DoesNotExist,
            (operator, _) => {
                let (operator, count) = (one_line(operator, 50), values.len());
                return Err(format!("a selector has the operator `{operator}` with {count} values"));
            }
        };
        Ok(Requirement { key: raw.key, rule })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(text: &str) -> Result<Selector, String> {
        Selector::of(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn each_operator_means_what_the_api_says() {
        let labels = BTreeMap::from([("role".to_owned(), "worker".to_owned())]);
        let cases = [
            (r#"{}"#, true),
            (r#"{"matchLabels":{"role":"worker"}}"#, true),
            (r#"{"matchLabels":{"role":"infra"}}"#, false),
            (r#"{"matchLabels":{"role":"worker","x":""}}"#, false),
            (r#"{"matchExpressions":[{"key":"role","operator":"In","values":["infra","worker"]}]}"#, true),
            (r#"{"matchExpressions":[{"key":"x","operator":"In","values":[""]}]}"#, false),
            (r#"{"matchExpressions":[{"key":"role","operator":"NotIn","values":["worker"]}]}"#, false),
            (r#"{"matchExpressions":[{"key":"x","operator":"NotIn","values":["worker"]}]}"#, true),
            (r#"{"matchExpressions":[{"key":"role","operator":"Exists"}]}"#, true),
            (r#"{"matchExpressions":[{"key":"x","operator":"Exists","values":[]}]}"#, false),
            (r#"{"matchExpressions":[{"key":"x","operator":"DoesNotExist"}]}"#, true),
            (r#"{"matchExpressions":[{"key":"role","operator":"DoesNotExist"}]}"#, false),
        ];
        for (text, selects) in cases {
            assert_eq!(selector(text).unwrap().selects(&labels), selects, "{text}");
        }
    }

    #[test]
    fn what_nobody_can_mean_is_refused() {
        for text in [
            r#"{"matchExpressions":[{"key":"x","operator":"Gt","values":["1"]}]}"#,
            r#"{"matchExpressions":[{"key":"x","operator":"In"}]}"#,
            r#"{"matchExpressions":[{"key":"x","operator":"Exists","values":["1"]}]}"#,
        ] {
            assert!(selector(text).unwrap_err().contains("operator"), "{text}");
        }
    }
}
