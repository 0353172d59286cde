//! The bounds of a schema, for a policy that no API server has seen.

use serde_json::Value;

/// A value outside its bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OutOfBounds {
    /// The path of the field, such as `spec.sources[0].name`.
    pub(super) field: String,
    /// What stands there, where it is a plain value.
    pub(super) value: String,
    /// What is allowed.
    pub(super) message: String,
}

/// Everything in `value` that is longer, shorter, larger or smaller than the schema allows.
/// Types, required fields and patterns are not looked at.
pub(super) fn check(schema: &Value, value: &Value, path: &str) -> Vec<OutOfBounds> {
    let mut found = Vec::new();
    walk(schema, value, path, &mut found);
    found
}

fn walk(schema: &Value, value: &Value, path: &str, found: &mut Vec<OutOfBounds>) {
    check_one(schema, value, path, found);
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                if let Some(schema) = schema.get("items") {
                    walk(schema, item, &format!("{path}[{index}]"), found);
                }
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let named = schema
                    .get("properties")
                    .and_then(|properties| properties.get(name));
                if let Some(schema) = named.or_else(|| schema.get("additionalProperties")) {
                    walk(schema, field, &format!("{path}.{name}"), found);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn check_one(schema: &Value, value: &Value, path: &str, found: &mut Vec<OutOfBounds>) {
    let (actual, keywords, unit) = match value {
        Value::String(text) => (
            i64::try_from(text.chars().count()).ok(),
            ["minLength", "maxLength"],
            " characters",
        ),
        Value::Array(items) => (
            i64::try_from(items.len()).ok(),
            ["minItems", "maxItems"],
            " entries",
        ),
        Value::Object(fields) => (
            i64::try_from(fields.len()).ok(),
            ["minProperties", "maxProperties"],
            " entries",
        ),
        Value::Number(number) => (number.as_i64(), ["minimum", "maximum"], ""),
        Value::Null | Value::Bool(_) => return,
    };
    // Bounds are written as integers or as floating point numbers.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "every bound is a small whole number"
    )]
    let bound = |keyword| {
        schema
            .get(keyword)
            .and_then(Value::as_f64)
            .map(|bound| bound as i64)
    };
    let [min, max] = keywords.map(bound);
    let (Some(actual), true) = (actual, min.is_some() || max.is_some()) else {
        return;
    };
    if min.is_none_or(|min| actual >= min) && max.is_none_or(|max| actual <= max) {
        return;
    }
    let verb = if unit.is_empty() { "is" } else { "has" };
    let allowed = match (min, max) {
        (Some(min), Some(max)) => format!("{min} to {max} are allowed"),
        (Some(min), None) => format!("at least {min} is needed"),
        (None, Some(max)) => format!("{max} at most are allowed"),
        (None, None) => return,
    };
    found.push(OutOfBounds {
        field: path.to_owned(),
        value: value.as_str().unwrap_or_default().to_owned(),
        message: format!("{verb} {actual}{unit}; {allowed}"),
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn t12_what_is_out_of_bounds_is_found_at_any_depth() {
        let schema = json!({"properties": {
            "names": {"minItems": 1, "maxItems": 2, "items": {"maxLength": 3}},
            "labels": {"maxProperties": 1, "additionalProperties": {"maxLength": 1}},
            "count": {"minimum": 1.0, "maximum": 64.0},
        }});
        let value =
            json!({"names": ["abcd", "b", "c"], "labels": {"a": "xy", "b": ""}, "count": 0});
        let found: Vec<String> = check(&schema, &value, "spec")
            .into_iter()
            .map(|problem| format!("{} {}", problem.field, problem.message))
            .collect();
        assert_eq!(
            found,
            [
                "spec.count is 0; 1 to 64 are allowed",
                "spec.labels has 2 entries; 1 at most are allowed",
                "spec.labels.a has 2 characters; 1 at most are allowed",
                "spec.names has 3 entries; 1 to 2 are allowed",
                "spec.names[0] has 4 characters; 3 at most are allowed",
            ]
        );
    }

    #[test]
    fn what_is_within_bounds_is_passed() {
        let schema = json!({"properties": {"name": {"minLength": 1, "maxLength": 3}}});
        assert_eq!(
            check(&schema, &json!({"name": "äöü", "other": true}), "spec"),
            []
        );
    }
}
