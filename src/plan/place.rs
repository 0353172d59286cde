//! Where this run's files go: the day in a key prefix, and what a prefix claims.

/// The placeholder for the day of the run.
const DATE: &str = "{date}";

/// The key prefix of a run that started at `started`: `{date}` is the day in the policy's zone.
///
/// # Errors
/// In words, where the time zone is not known.
pub fn resolve_date(
    template: &str,
    started: jiff::Timestamp,
    time_zone: &str,
) -> Result<String, String> {
    if !template.contains(DATE) {
        return Ok(template.to_owned());
    }
    let day = started
        .in_tz(time_zone)
        .map_err(|error| format!("timeZone {time_zone:?} is not known: {error}"))?
        .date();
    Ok(template.replace(DATE, &day.to_string()))
}

/// The prefix that a template claims: up to the first component that holds the day, and the
/// template itself, with `date` for the placeholder, where that is the first one.
#[must_use]
pub fn claimed(template: &str) -> String {
    let stable: Vec<&str> = template
        .split('/')
        .take_while(|component| !component.contains(DATE))
        .collect();
    if stable.is_empty() {
        template.replace(DATE, "date")
    } else {
        stable.join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_the_day_in_the_policys_zone() {
        let late = "2026-11-01T23:30:00Z".parse().unwrap();
        let resolve = |zone: &str| resolve_date("a/{date}/b", late, zone);
        assert_eq!(resolve("UTC").as_deref(), Ok("a/2026-11-01/b"));
        assert_eq!(resolve("Europe/Rome").as_deref(), Ok("a/2026-11-02/b"));
        assert!(resolve("Europe/Nowhere").is_err());
        assert_eq!(
            resolve_date("plain", late, "Europe/Nowhere").as_deref(),
            Ok("plain")
        );
    }

    #[test]
    fn a_claim_does_not_change_with_the_day() {
        assert_eq!(claimed("a/b"), "a/b");
        assert_eq!(claimed("a/b/{date}"), "a/b");
        assert_eq!(claimed("{date}/b"), "date/b");
    }
}
