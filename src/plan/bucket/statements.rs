//! Statements of a bucket's policy: ours, and how to tell whether they are there.

use serde_json::{Map, Value, json};

use super::{Finding, STATEMENT_PREFIX, Setting, Verdict, Wanted};
use crate::plan::names::partition;

/// Our statements: nobody without TLS, and no object under a key that only the client has.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html>
pub(super) fn ours(bucket: &str, region: &str) -> Vec<Value> {
    let arn = format!("arn:{}:s3:::{bucket}", partition(region));
    vec![
        json!({
            "Sid": "BackstayDenyInsecureTransport",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, format!("{arn}/*")],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }),
        json!({
            "Sid": "BackstayDenyCustomerKeys",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": format!("{arn}/*"),
            "Condition": {"Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "false"}},
        }),
    ]
}

/// The statements of a policy once ours are in it: those of others first, as they are.
#[must_use]
pub(crate) fn merged(seen: &[Value], ours: &[Value]) -> Vec<Value> {
    let foreign = seen.iter().filter(|statement| !is_ours(statement));
    foreign.chain(ours).cloned().collect()
}

pub(super) fn compare(wanted: &Wanted, seen: &[Value]) -> Finding {
    let normal = |statement: &Value| normalised(statement);
    let mut own: Vec<Value> = seen.iter().filter(|one| is_ours(one)).map(normal).collect();
    let mut expected: Vec<Value> = wanted.statements.iter().map(normal).collect();
    own.sort_by_key(sid);
    expected.sort_by_key(sid);
    let is = match own.len() {
        0 => "none of our statements".to_owned(),
        _ if own == expected => describe(&wanted.statements),
        number => format!("{number} of our statements, changed by hand"),
    };
    Finding {
        setting: Setting::Policy,
        is,
        wanted: describe(&wanted.statements),
        verdict: if own == expected {
            Verdict::AlreadyThere
        } else {
            Verdict::Apply
        },
    }
}

fn describe(statements: &[Value]) -> String {
    let sids: Vec<String> = statements.iter().map(sid).collect();
    sids.join(", ")
}

fn is_ours(statement: &Value) -> bool {
    sid(statement).starts_with(STATEMENT_PREFIX)
}

fn sid(statement: &Value) -> String {
    statement["Sid"].as_str().unwrap_or_default().to_owned()
}

/// Stores write the same statement in several ways: one value or a list of one, `*` or
/// `{"AWS": "*"}`, lists in any order, with or without `NotAction: null`.
fn normalised(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(normalised).collect();
            if let [one] = items.as_slice() {
                return one.clone();
            }
            items.sort_by_key(Value::to_string);
            Value::Array(items)
        }
        Value::Object(fields) => {
            let fields: Map<String, Value> = fields
                .iter()
                .filter(|(_, field)| !field.is_null())
                .map(|(name, field)| (name.clone(), normalised(field)))
                .collect();
            if fields.len() == 1 && fields.get("AWS") == Some(&Value::from("*")) {
                return Value::from("*");
            }
            Value::Object(fields)
        }
        // `false` and `"false"` are one in a condition.
        Value::Bool(value) => Value::from(value.to_string()),
        Value::Null | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::compare::tests::wanted;
    use super::*;

    fn check(seen: &[Value], expected: &Verdict) {
        let wanted = Wanted {
            statements: ours("b", "eu-south-1"),
            ..wanted()
        };
        assert_eq!(&compare(&wanted, seen).verdict, expected);
    }

    fn foreign() -> Value {
        json!({"Sid": "Audit", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
               "Resource": "arn:aws:s3:::b/*"})
    }

    #[test]
    fn statements_are_recognised_however_a_store_writes_them() {
        let mut seen = ours("b", "eu-south-1");
        check(&seen, &Verdict::AlreadyThere);
        seen[0]["Principal"] = json!({"AWS": ["*"]});
        seen[0]["Action"] = json!(["s3:*"]);
        seen[0]["Resource"] = json!(["arn:aws:s3:::b/*", "arn:aws:s3:::b"]);
        seen[0]["Condition"] = json!({"Bool": {"aws:SecureTransport": [false]}});
        seen.reverse();
        check(&seen, &Verdict::AlreadyThere);
    }

    #[test]
    fn a_statement_that_was_changed_is_written_again() {
        let mut seen = ours("b", "eu-south-1");
        seen[0]["Effect"] = json!("Allow");
        check(&seen, &Verdict::Apply);
        check(&ours("b", "eu-south-1")[..1], &Verdict::Apply);
        check(&[], &Verdict::Apply);
    }

    #[test]
    fn statements_of_others_stay_as_they_are() {
        let mut old = ours("b", "eu-south-1");
        old[1]["Effect"] = json!("Allow");
        let seen = vec![old[0].clone(), foreign(), old[1].clone()];
        let merged = merged(&seen, &ours("b", "eu-south-1"));
        assert_eq!(merged[0], foreign());
        assert_eq!(merged[1..], ours("b", "eu-south-1"));
        check(&merged, &Verdict::AlreadyThere);
    }

    #[test]
    fn a_region_decides_how_a_bucket_is_named() {
        let statements = ours("b", "cn-north-1");
        assert_eq!(statements[1]["Resource"], "arn:aws-cn:s3:::b/*");
    }
}
