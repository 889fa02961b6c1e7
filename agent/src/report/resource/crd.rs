//! The definition of the resource, generated from its types, so that what is written always fits what is accepted.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::kind::{KIND, PLURAL, VERSION};
use super::types::NodeExtensionsStatus;
use crate::cluster::GROUP;

/// The CustomResourceDefinition as YAML, the file `deploy/base/crd.yaml`. Empty only if it could not be written, which
/// a test would see.
pub fn crd() -> String {
    let body = serde_saphyr::to_string(&definition()).unwrap_or_default();
    format!("# Generated from `agent/src/report/resource`; a test compares.\n{body}")
}

fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{PLURAL}.{GROUP}")},
        "spec": {
            "group": GROUP,
            "scope": "Cluster",
            "names": {
                "kind": KIND,
                "plural": PLURAL,
                "singular": PLURAL,
                "shortNames": ["nodeext"],
                "categories": ["extensions"],
            },
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": schema()},
                "subresources": {"status": {}},
                "additionalPrinterColumns": columns(),
            }],
        },
    })
}

/// The structural schema of the object. Kubernetes adds what it knows of `metadata` itself.
fn schema() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let generator = settings
        .with_transform(kube::core::schema::StructuralSchemaRewriter)
        .with_transform(kube::core::schema::OptionalEnum)
        .into_generator();
    let status = generator.into_root_schema_for::<NodeExtensionsStatus>();
    json!({
        "type": "object",
        "description": "Where the extensions of one node stand. It has the name of the Node, and nothing is wished \
                        here: MachineConfigs do that.",
        "properties": {"status": status},
    })
}

fn columns() -> Value {
    let condition = |field: &str| format!(".status.conditions[?(@.type==\"Ready\")].{field}");
    let rows = [
        ("Ready", "string", condition("status"), 0),
        ("Reason", "string", condition("reason"), 0),
        ("Desired", "string", ".status.summary.desired".to_owned(), 0),
        ("Booted", "string", ".status.summary.booted".to_owned(), 0),
        ("Version", "string", ".status.baseVersion".to_owned(), 0),
        ("Step", "string", ".status.rollout.step".to_owned(), 0),
        ("Age", "date", ".metadata.creationTimestamp".to_owned(), 0),
        ("Staged", "string", ".status.summary.staged".to_owned(), 1),
        ("Payload", "string", ".status.payload.version".to_owned(), 1),
        ("Pool", "string", ".status.pool".to_owned(), 1),
        ("Owner", "string", ".status.owner".to_owned(), 1),
        ("Message", "string", condition("message"), 1),
    ];
    rows.into_iter()
        .map(|(name, kind, path, priority)| {
            json!({"name": name, "type": kind, "jsonPath": path, "priority": priority})
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;

    #[test]
    fn the_definition_is_checked_in() {
        golden::check("deploy/base/crd.yaml", &crd());
    }

    /// What the API server would refuse: a list or text without a bound makes rules too dear to be checked.
    #[test]
    fn every_text_and_list_of_the_schema_is_bounded_and_every_field_is_explained() {
        let mut open = Vec::new();
        walk("status", &schema()["properties"]["status"], &mut open);
        assert_eq!(open, Vec::<String>::new());
    }

    fn walk(path: &str, schema: &Value, open: &mut Vec<String>) {
        match schema["type"].as_str() {
            Some("string") => {
                let bounded = ["maxLength", "enum", "format"].iter().any(|word| schema.get(word).is_some());
                if !bounded {
                    open.push(format!("{path}: no bound"));
                }
            }
            Some("array") => {
                if schema.get("maxItems").is_none() {
                    open.push(format!("{path}: no bound"));
                }
                walk(&format!("{path}[]"), &schema["items"], open);
            }
            Some("object") => {
                for (name, field) in schema["properties"].as_object().unwrap() {
                    if field.get("description").is_none() {
                        open.push(format!("{path}.{name}: not explained"));
                    }
                    walk(&format!("{path}.{name}"), field, open);
                }
            }
            Some("boolean" | "integer") => {}
            other => open.push(format!("{path}: {other:?}")),
        }
    }
}
