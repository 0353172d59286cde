//! The manual of a policy's fields, read out of its schema: for hosts without `kubectl explain`.

use std::fmt::Write;

use serde_json::Value;

use crate::api::crd;

/// How wide a line of a description is.
const WIDTH: usize = 96;

/// What a field means, and the fields in it.
///
/// # Errors
/// There is no such field; with those that there are.
pub fn explain(path: &str) -> Result<String, String> {
    let mut schema = crd::spec_schema();
    let mut walked = "spec".to_owned();
    let below = path.strip_prefix("spec").unwrap_or(path);
    for name in below.split('.').filter(|name| !name.is_empty()) {
        let fields = fields(schema);
        let name = name.split_once('[').map_or(name, |(name, _)| name);
        let Some(next) = fields.and_then(|fields| fields.get(name)) else {
            let known = fields.map(|fields| fields.keys().cloned().collect::<Vec<_>>());
            let known = known.unwrap_or_default().join(", ");
            return Err(format!(
                "{name} is not a field of {walked}: known are {known}"
            ));
        };
        schema = next;
        walked.push('.');
        walked.push_str(name);
    }
    Ok(written(&walked, schema))
}

fn written(path: &str, schema: &Value) -> String {
    let mut text = format!("{path} <{}>\n", kind(schema));
    wrap(&mut text, description(schema), "  ");
    let Some(fields) = fields(schema) else {
        return text.trim_end().to_owned();
    };
    text.push_str("\nFields:\n");
    let needed = required(schema);
    for (name, field) in fields {
        let mark = if needed.contains(&name.as_str()) {
            ", required"
        } else {
            ""
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {name} <{}>{mark}", kind(field));
        let whole = description(field);
        let first = whole.split_once(". ").map_or(whole, |(first, _)| first);
        wrap(&mut text, first.trim_end_matches('.'), "      ");
    }
    text.trim_end().to_owned()
}

/// The fields of an object, or of the objects in a list.
fn fields(schema: &Value) -> Option<&serde_json::Map<String, Value>> {
    let of = schema.get("items").unwrap_or(schema);
    of.get("properties")?.as_object()
}

fn required(schema: &Value) -> Vec<&str> {
    let of = schema.get("items").unwrap_or(schema);
    let names = of.get("required").and_then(Value::as_array);
    names
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

fn kind(schema: &Value) -> String {
    if let Some(items) = schema.get("items") {
        return format!("list of {}", kind(items));
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        return values.join(" | ");
    }
    schema["type"].as_str().unwrap_or("object").to_owned()
}

fn description(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

fn wrap(text: &mut String, words: &str, indent: &str) {
    let mut width = 0;
    for word in words.split_whitespace() {
        if width == 0 || width + word.len() >= WIDTH {
            if width > 0 {
                text.push('\n');
            }
            text.push_str(indent);
            width = indent.len();
        } else {
            text.push(' ');
            width += 1;
        }
        text.push_str(word);
        width += word.chars().count();
    }
    if width > 0 {
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_explained_with_what_is_in_it() {
        let storage = explain("spec.storage").expect("a field");
        assert!(storage.starts_with("spec.storage <object>\n"), "{storage}");
        assert!(
            storage.contains("  region <string>, required\n"),
            "{storage}"
        );
        assert!(storage.contains("  endpoint <string>\n"), "{storage}");
        let class = explain("spec.categories[0].storageClass").expect("a field");
        assert!(class.contains("STANDARD_IA"), "{class}");
        assert!(
            storage
                .lines()
                .all(|line| line.chars().count() <= WIDTH + 40),
            "{storage}"
        );
    }

    #[test]
    fn a_field_that_is_none_is_told_with_those_that_are() {
        let told = explain("spec.stroage").expect_err("no field");
        assert!(
            told.contains("stroage is not a field of spec: known are"),
            "{told}"
        );
        assert!(told.contains("storage"), "{told}");
        let told = explain("spec.schedule.x").expect_err("no field");
        assert!(told.contains("of spec.schedule"), "{told}");
    }
}
