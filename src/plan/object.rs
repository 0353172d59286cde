//! What an API server sees to, where there is none: that a policy file holds one of our objects,
//! whole and of the right shape, under names which keys can be made of.

use serde_json::Value;

use super::problem::{Problem, Problems};
use super::{names, shape};
use crate::api::crd::{self, API_VERSION, KIND};

/// The longest name of a policy: it becomes the value of a label.
const NAME_MAX_BYTES: usize = 63;

/// The fields of an object.
const FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

/// Checks everything about a policy file that has to be right before it can be read as a policy.
#[must_use]
pub fn check(object: &Value) -> Vec<Problem> {
    let mut problems = Problems::default();
    for (field, expected) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        let actual = text(&object[field]);
        if actual != expected {
            problems.add(field, &actual, format!("must be {expected}"));
        }
    }
    for field in object
        .as_object()
        .into_iter()
        .flat_map(|fields| fields.keys())
    {
        if !FIELDS.contains(&field.as_str()) {
            problems.add(
                field,
                "",
                "is not a known field; known are metadata and spec",
            );
        }
    }
    check_names(object, &mut problems);
    match &object["spec"] {
        Value::Null => problems.add("spec", "", "is missing"),
        spec => shape::check(crd::spec_schema(), spec, "spec", &mut problems),
    }
    problems.into_vec()
}

fn check_names(object: &Value, problems: &mut Problems) {
    let name = text(&object["metadata"]["name"]);
    if name.is_empty() {
        problems.add("metadata.name", "", "is missing: it names the backups");
    } else if name.len() > NAME_MAX_BYTES {
        let message = format!("must have at most {NAME_MAX_BYTES} characters");
        problems.add("metadata.name", &name, message);
    } else {
        problems.check("metadata.name", &name, names::check_subdomain(&name));
    }
    let namespace = &object["metadata"]["namespace"];
    if !namespace.is_null() {
        let namespace = text(namespace);
        let checked = names::check_label(&namespace);
        problems.check("metadata.namespace", &namespace, checked);
    }
}

/// What stands there; nothing where nothing does.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check_told(object: &Value, expected: &[&str]) {
        let told: Vec<String> = check(object).iter().map(ToString::to_string).collect();
        assert_eq!(told, expected);
    }

    fn right() -> Value {
        json!({
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": "office.files", "namespace": "acme"},
            "spec": {
                "schedule": "@daily",
                "sources": [{"name": "files", "path": {"directory": "/srv"}}],
                "categories": [{"name": "all", "bucket": "acme"}],
                "storage": {"region": "eu-south-1"},
            },
        })
    }

    #[test]
    fn an_object_of_ours_is_taken() {
        check_told(&right(), &[]);
    }

    #[test]
    fn a_file_that_says_nothing_is_told_what_it_should_say() {
        for object in [
            json!({}),
            json!(null),
            json!([1]),
            json!({"metadata": "office"}),
        ] {
            check_told(
                &object,
                &[
                    "apiVersion must be backstay.dev/v1alpha1",
                    "kind must be BackupPolicy",
                    "metadata.name is missing: it names the backups",
                    "spec is missing",
                ],
            );
        }
    }

    #[test]
    fn another_object_or_name_is_refused() {
        let mut object = right();
        object["apiVersion"] = json!("batch/v1");
        object["kind"] = json!(7);
        object["metadata"] = json!({"name": "n".repeat(64), "namespace": "../acme"});
        object["sepc"] = json!({});
        object["spec"]["schedule"] = json!(1);
        let name = format!(
            "metadata.name \"{}\" must have at most 63 characters",
            "n".repeat(64)
        );
        check_told(
            &object,
            &[
                "apiVersion \"batch/v1\" must be backstay.dev/v1alpha1",
                "kind \"7\" must be BackupPolicy",
                &name,
                "metadata.namespace \"../acme\" must be made of lower case letters, digits and \
                 hyphens, and start and end with a letter or a digit",
                "sepc is not a known field; known are metadata and spec",
                "spec.schedule \"1\" must be text; put it in quotes",
            ],
        );
    }
}
