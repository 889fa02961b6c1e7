//! Types of the Kubernetes API inside a configuration, taken whole or not at all.
//!
//! Decides: whether a key is known. Must not: judge what it means. Input: a part of a file that an operator wrote. Those
//! types pass over keys that they do not know; here nothing may be lost.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// A value of the API of which every key was understood.
pub(super) fn exactly<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Serialize,
{
    let mut given = Value::deserialize(from)?;
    quantities(&mut given, false);
    let taken: T = serde_json::from_value(given.clone()).map_err(D::Error::custom)?;
    let kept = serde_json::to_value(&taken).map_err(D::Error::custom)?;
    match lost(&given, &kept, "") {
        Some(key) => Err(D::Error::custom(format!("unknown field `{key}`"))),
        None => Ok(taken),
    }
}

/// The same for a key that may be missing.
pub(super) fn exactly_some<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Serialize,
{
    exactly(from).map(Some)
}

/// `cpu: 2` is written as often as `cpu: "2"`, but the types know text only.
fn quantities(value: &mut Value, inside: bool) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let amounts = matches!(key.as_str(), "requests" | "limits" | "sizeLimit");
                quantities(value, inside || amounts);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| quantities(value, inside)),
        Value::Number(number) if inside => *value = Value::String(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn lost(given: &Value, kept: &Value, path: &str) -> Option<String> {
    use Value::{Array, Object};
    match (given, kept) {
        (Object(given), Object(kept)) => given.iter().find_map(|(key, value)| match kept.get(key) {
            Some(other) => lost(value, other, &format!("{path}{key}.")),
            None => (!value.is_null()).then(|| format!("{path}{key}")),
        }),
        (Array(given), Array(kept)) => {
            given.iter().zip(kept).find_map(|(value, other)| lost(value, other, path))
        }
        (_, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{PodSpec, Volume};

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Held {
        #[serde(default, deserialize_with = "exactly")]
        volumes: Vec<Volume>,
        #[serde(default, deserialize_with = "exactly_some")]
        spec: Option<PodSpec>,
    }

    #[test]
    fn a_key_that_the_api_does_not_know_is_not_passed_over() {
        let good: Held =
            serde_json::from_str(r#"{"volumes": [{"name": "w", "emptyDir": {"sizeLimit": "1Gi"}}]}"#)
                .unwrap();
        assert_eq!(good.volumes.len(), 1);
        for (bad, key) in [
            (r#"{"volumes": [{"name": "w", "emptyDir": {"size": "1Gi"}}]}"#, "emptyDir.size"),
            (r#"{"spec": {"toleration": []}}"#, "toleration"),
            (r#"{"spec": {"containers": [{"name": "a", "enviroment": []}]}}"#, "containers.enviroment"),
        ] {
            let error = serde_json::from_str::<Held>(bad).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn an_amount_may_be_written_as_a_number() {
        let text = r#"{"spec": {"containers": [{"name": "a", "resources": {"requests": {"cpu": 2}}}]}}"#;
        let held: Held = serde_json::from_str(text).unwrap();
        let spec = serde_json::to_value(held.spec.unwrap()).unwrap();
        assert_eq!(spec["containers"][0]["resources"]["requests"]["cpu"], "2");
    }
}
