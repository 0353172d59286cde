//! The shape of a schema, for a policy that no API server has seen: its fields, types and words.

use serde_json::Value;

use super::problem::Problems;

/// Notes every field that is missing, unknown or of another type than the schema wants.
pub(super) fn check(schema: &Value, value: &Value, path: &str, problems: &mut Problems) {
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    let expected = schema["type"].as_str().unwrap_or_default();
    if !is_of_type(value, expected) {
        let message = format!("must be {}", in_words(expected));
        problems.add(path, &plain(value), message);
        return;
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        let words = words.iter().filter_map(Value::as_str);
        let message = format!("must be one of {}", listed(words));
        problems.add(path, &plain(value), message);
        return;
    }
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check(
                    &schema["items"],
                    item,
                    &format!("{path}[{index}]"),
                    problems,
                );
            }
        }
        Value::Object(fields) => check_fields(schema, fields, path, problems),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn check_fields(
    schema: &Value,
    fields: &serde_json::Map<String, Value>,
    path: &str,
    problems: &mut Problems,
) {
    let known = schema["properties"].as_object();
    for (name, field) in fields {
        let of_field = known.and_then(|known| known.get(name));
        let field_path = format!("{path}.{name}");
        if let Some(schema) = of_field.or_else(|| schema.get("additionalProperties")) {
            check(schema, field, &field_path, problems);
        } else {
            let known = known.into_iter().flat_map(|known| known.keys());
            let known = listed(known.map(String::as_str));
            let message = format!("is not a known field; known are {known}");
            problems.add(field_path, "", message);
        }
    }
    let required = schema["required"].as_array().into_iter().flatten();
    for name in required.filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            problems.add(format!("{path}.{name}"), "", "is missing");
        }
    }
}

fn is_of_type(value: &Value, expected: &str) -> bool {
    match expected {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

fn in_words(expected: &str) -> &str {
    match expected {
        "string" => "text; put it in quotes",
        "integer" => "a whole number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a map of fields",
        other => other,
    }
}

/// What stands there, where it is a plain value.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::crd;

    #[track_caller]
    fn check_told(spec: &Value, expected: &[&str]) {
        let mut problems = Problems::default();
        check(crd::spec_schema(), spec, "spec", &mut problems);
        let told: Vec<String> = problems
            .into_vec()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(told, expected);
    }

    fn right() -> Value {
        json!({
            "schedule": "@daily",
            "sources": [{"name": "files", "path": {"directory": "/srv"}}],
            "categories": [{"name": "all", "bucket": "acme", "storageClass": null}],
            "storage": {"region": "eu-south-1", "encryption": {"s3": {}}},
            "worker": {"nodeSelector": {"any": "label"}},
        })
    }

    #[test]
    fn a_policy_of_the_right_shape_is_taken() {
        check_told(&right(), &[]);
    }

    #[test]
    fn what_is_missing_unknown_or_of_another_type_is_found_at_any_depth() {
        let mut spec = right();
        spec["schedule"] = json!(5);
        spec["sources"][0]["path"] = json!("/srv");
        spec["categories"][0] =
            json!({"name": "all", "buckets": "acme", "storageClass": "GLACIER"});
        spec["storage"]["encryption"]["s3"]["key"] = json!(1);
        spec["deletions"] = json!({"maxPercent": "many"});
        spec["suspend"] = json!("no");
        let unknown = "spec.categories[0].buckets is not a known field; known are bucket, compression, match, \
                       name, storageClass";
        check_told(
            &spec,
            &[
                "spec.categories[0].bucket is missing",
                unknown,
                "spec.categories[0].storageClass \"GLACIER\" must be one of STANDARD, STANDARD_IA, \
                 ONEZONE_IA, INTELLIGENT_TIERING, GLACIER_IR, REDUCED_REDUNDANCY",
                "spec.deletions.maxPercent \"many\" must be a whole number",
                "spec.schedule \"5\" must be text; put it in quotes",
                "spec.sources[0].path \"/srv\" must be a map of fields",
                "spec.storage.encryption.s3.key is not a known field; known are none",
                "spec.suspend \"no\" must be true or false",
            ],
        );
    }
}
