//! The `CustomResourceDefinition`, as a file and as data.

use std::sync::LazyLock;

use kube::CustomResourceExt;
use serde_json::Value;

use super::policy::BackupPolicy;

/// The `apiVersion` of a policy.
pub const API_VERSION: &str = "backstay.dev/v1alpha1";

/// The `kind` of a policy.
pub const KIND: &str = "BackupPolicy";

static DEFINITION: LazyLock<Value> = LazyLock::new(|| {
    let mut definition = serde_json::to_value(BackupPolicy::crd()).expect("a definition is JSON");
    tidy(&mut definition);
    definition
});

/// The definition as YAML, for `kubectl apply`.
///
/// # Panics
/// Never: a definition is plain data.
#[must_use]
pub fn yaml() -> String {
    serde_saphyr::to_string(&*DEFINITION).expect("a definition can be written as YAML")
}

/// The schema of a policy's `spec`: the very bounds that the API server checks.
///
/// # Panics
/// Never: the definition is derived from a type that has a spec.
#[must_use]
pub fn spec_schema() -> &'static Value {
    DEFINITION
        .pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec")
        .expect("the definition is derived from a type that has a spec")
}

/// Two things that a derived schema has wrong for a reader. The API server warns about the formats
/// of numbers without a sign, which it does not know; `minimum` says the same. And lines that were
/// wrapped in the source would be wrapped twice by `kubectl explain`.
fn tidy(node: &mut Value) {
    match node {
        Value::Object(fields) => {
            fields.retain(|name, value| {
                name != "format"
                    || !value
                        .as_str()
                        .is_some_and(|format| format.starts_with("uint"))
            });
            if let Some(Value::String(description)) = fields.get_mut("description") {
                *description = unwrapped(description);
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn unwrapped(text: &str) -> String {
    text.split("\n\n")
        .map(|paragraph| paragraph.replace('\n', " "))
        .collect::<Vec<_>>()
        .join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every node of the schema, with its path.
    fn walk<'a>(path: &str, node: &'a Value, visit: &mut impl FnMut(&str, &'a Value)) {
        visit(path, node);
        if let Some(properties) = node.get("properties").and_then(Value::as_object) {
            for (name, child) in properties {
                walk(&format!("{path}.{name}"), child, visit);
            }
        }
        if let Some(items) = node.get("items") {
            walk(&format!("{path}[]"), items, visit);
        }
        if let Some(values) = node.get("additionalProperties") {
            walk(&format!("{path}{{}}"), values, visit);
        }
    }

    #[test]
    fn t12_every_string_list_and_map_of_the_spec_is_bounded() {
        let mut unbounded = Vec::new();
        walk("spec", spec_schema(), &mut |path, node| {
            let bound = match node.get("type").and_then(Value::as_str) {
                Some("string") if node.get("enum").is_none() => "maxLength",
                Some("array") => "maxItems",
                Some("object") if node.get("additionalProperties").is_some() => "maxProperties",
                Some("integer" | "number") => "maximum",
                _ => return,
            };
            if node.get(bound).is_none() {
                unbounded.push(path.to_owned());
            }
        });
        assert_eq!(unbounded, Vec::<String>::new());
    }

    #[test]
    fn every_field_of_the_spec_is_explained() {
        let mut unexplained = Vec::new();
        walk("spec", spec_schema(), &mut |path, node| {
            if !path.ends_with("[]") && !path.ends_with("{}") && node.get("description").is_none() {
                unexplained.push(path.to_owned());
            }
        });
        assert_eq!(unexplained, Vec::<String>::new());
    }

    #[test]
    fn t01_nothing_in_the_spec_names_a_namespace() {
        walk("spec", spec_schema(), &mut |path, _| {
            assert!(!path.ends_with(".namespace"), "{path}");
        });
    }

    /// kubectl reads these words as true or false, also where a field's name stands.
    /// <https://yaml.org/type/bool.html>
    #[test]
    fn no_field_has_a_name_that_yaml_takes_for_a_truth_value() {
        const WORDS: [&str; 8] = ["y", "n", "yes", "no", "on", "off", "true", "false"];
        walk("spec", spec_schema(), &mut |path, _| {
            let name = path.rsplit('.').next().unwrap_or(path);
            assert!(!WORDS.contains(&name.to_lowercase().as_str()), "{path}");
        });
    }

    #[test]
    fn t03_nothing_in_the_spec_opens_the_pod() {
        const CLOSED: [&str; 9] = [
            ".image",
            ".command",
            ".args",
            ".env",
            ".volumes",
            ".hostNetwork",
            ".hostPath",
            ".privileged",
            ".priorityClassName",
        ];
        walk("spec", spec_schema(), &mut |path, _| {
            assert!(!CLOSED.iter().any(|field| path.ends_with(field)), "{path}");
        });
    }

    #[test]
    fn an_object_says_what_the_definition_says() {
        use kube::Resource;

        assert_eq!(BackupPolicy::api_version(&()), API_VERSION);
        assert_eq!(BackupPolicy::kind(&()), KIND);
    }

    #[test]
    fn the_committed_definition_is_the_one_generated() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/crds/backstay.dev_backuppolicies.yaml"
        );
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, yaml()).expect("write the definition");
        }
        let committed = std::fs::read_to_string(path).expect("read the committed definition");
        assert_eq!(
            committed,
            yaml(),
            "run the tests with UPDATE=1 and look at the diff"
        );
    }
}
