//! Amounts of processor and memory, as Kubernetes writes them.

/// Of what a quantity is counted in here: thousandths of thousandths of a thousandth.
const NANO: u128 = 1_000_000_000;

/// The suffixes that processors and memory are given in, and what they stand for.
/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
const SUFFIXES: [(&str, u128); 10] = [
    ("m", NANO / 1000),
    ("k", 1000 * NANO),
    ("M", 1000 * 1000 * NANO),
    ("G", 1000 * 1000 * 1000 * NANO),
    ("T", 1000 * 1000 * 1000 * 1000 * NANO),
    ("Ki", NANO << 10),
    ("Mi", NANO << 20),
    ("Gi", NANO << 30),
    ("Ti", NANO << 40),
    ("", NANO),
];

/// The value of a quantity, in nano-units: `1.5` and `1500m` are the same. `None` for what is not
/// a quantity, or has more digits than one needs.
#[must_use]
pub fn nano_units(text: &str) -> Option<u128> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (_, unit) = SUFFIXES.iter().find(|(known, _)| *known == suffix)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let has_digits = !whole.is_empty() && !fraction.is_empty() && number.len() <= 16;
    if !has_digits {
        return None;
    }
    let whole: u128 = whole.parse().ok()?;
    let tenths = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let fraction: u128 = fraction.parse().ok()?;
    Some(whole.checked_mul(*unit)? + fraction.checked_mul(*unit)? / tenths)
}

/// The value of a quantity in whole bytes; `None` for what is not a quantity, or too much.
#[must_use]
pub fn bytes(text: &str) -> Option<u64> {
    u64::try_from(nano_units(text)? / NANO).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_amount_are_equal() {
        for (a, b) in [
            ("1.5", "1500m"),
            ("1Gi", "1024Mi"),
            ("1k", "1000"),
            ("0.5Mi", "512Ki"),
        ] {
            assert_eq!(nano_units(a), nano_units(b), "{a} {b}");
            assert!(nano_units(a).is_some(), "{a}");
        }
        assert!(nano_units("1G") < nano_units("1Gi"));
    }

    #[test]
    fn what_is_not_a_quantity_has_no_value() {
        for text in [
            "",
            "m",
            "1K",
            "1.",
            ".5",
            "1 Gi",
            "-1",
            "1.5.0",
            "99999999999999999999",
        ] {
            assert_eq!(nano_units(text), None, "{text}");
        }
    }
}
