//! Five cron fields, read as Kubernetes reads them.
//!
//! The dialect is that of <https://github.com/robfig/cron> v3, which the CronJob controller uses,
//! less what nobody means: empty items in a list, and a date that never comes. Weekday 7, `L`,
//! `W` and `#` do not exist in it. Day of month and day of week are joined by *or*, unless one of
//! the two has a `*` without a step: then both must hold.

use jiff::civil::{Date, date};

/// A field that says "any" by `*` or `?`, which changes how the two day fields are joined.
const ANY: u64 = 1 << 63;

/// The days among which a schedule is looked for: all that differ, leap days included.
const FIRST_DAY: Date = date(2024, 1, 1);
const DAYS: usize = 8 * 366;

/// What is wrong with a schedule.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
pub enum CronError {
    /// There are not five fields.
    #[error(
        "has {0} fields, and must have five: minute, hour, day of month, month, day of week; \
         \"0 2 * * *\" is every day at two"
    )]
    FieldCount(usize),
    /// A time zone stands in the schedule.
    #[error("must not name a time zone; use spec.timeZone")]
    ZoneInSchedule,
    /// A word after `@` that is not known.
    #[error("is not one of @hourly, @daily, @weekly, @monthly and @yearly")]
    UnknownMacro,
    /// A part of a field is not a number, a range, a list or a name.
    #[error("{field} has \"{text}\", which is not a number from {min} to {max}{hint}")]
    Value {
        /// Which field.
        field: &'static str,
        /// What stands there.
        text: String,
        /// The smallest value.
        min: u8,
        /// The largest value.
        max: u8,
        /// What may have been meant.
        hint: &'static str,
    },
    /// A range or a step that makes no sense.
    #[error("{field} has \"{text}\", which is not a range or a step; write 1-5 or */15")]
    Range {
        /// Which field.
        field: &'static str,
        /// What stands there.
        text: String,
    },
    /// No day matches, such as the 30th of February.
    #[error("names a day that never comes: no run would ever start")]
    Never,
}

/// The minutes, hours and days of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days_of_month: u64,
    months: u64,
    days_of_week: u64,
}

/// One of the five fields.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) min: u8,
    pub(super) max: u8,
    words: &'static [&'static str],
}

/// The fields in their order. The words stand for the values from `min` on.
pub(super) const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        min: 0,
        max: 59,
        words: &[],
    },
    Field {
        name: "hour",
        min: 0,
        max: 23,
        words: &[],
    },
    Field {
        name: "day of month",
        min: 1,
        max: 31,
        words: &[],
    },
    Field {
        name: "month",
        min: 1,
        max: 12,
        words: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Field {
        name: "day of week",
        min: 0,
        max: 6,
        words: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

impl Cron {
    /// Reads five fields.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day_of_month, month, day_of_week] = fields[..] else {
            return Err(CronError::FieldCount(fields.len()));
        };
        let [in_hour, in_day, in_month, in_year, in_week] = &FIELDS;
        let cron = Self {
            minutes: parse_field(minute, in_hour)?,
            hours: parse_field(hour, in_day)?,
            days_of_month: parse_field(day_of_month, in_month)?,
            months: parse_field(month, in_year)?,
            days_of_week: parse_field(day_of_week, in_week)?,
        };
        if cron.days().next().is_none() {
            return Err(CronError::Never);
        }
        Ok(cron)
    }

    /// Whether it fires on this day at all.
    #[must_use]
    pub fn has_day(&self, day: Date) -> bool {
        let day_of_month = has(self.days_of_month, day.day());
        let day_of_week = has(self.days_of_week, day.weekday().to_sunday_zero_offset());
        let is_both = (self.days_of_month | self.days_of_week) & ANY != 0;
        has(self.months, day.month())
            && if is_both {
                day_of_month && day_of_week
            } else {
                day_of_month || day_of_week
            }
    }

    /// Whether it fires in this hour, on the days on which it fires.
    #[must_use]
    pub fn has_hour(&self, hour: i8) -> bool {
        has(self.hours, hour)
    }

    /// Whether it fires in this minute, in the hours in which it fires.
    #[must_use]
    pub fn has_minute(&self, minute: i8) -> bool {
        has(self.minutes, minute)
    }

    /// The shortest time between two starts, in minutes, where no clock is changed.
    #[must_use]
    pub fn shortest_interval_minutes(&self) -> u32 {
        let starts: Vec<u32> = (0..24)
            .filter(|hour| self.has_hour(*hour))
            .flat_map(|hour| {
                (0..60)
                    .filter(|m| self.has_minute(*m))
                    .map(move |m| (hour, m))
            })
            .map(|(hour, minute)| {
                u32::from(hour.unsigned_abs()) * 60 + u32::from(minute.unsigned_abs())
            })
            .collect();
        let within_a_day = starts.windows(2).map(|pair| pair[1] - pair[0]).min();
        let over_night = self.shortest_interval_days() * 24 * 60 + starts.first().unwrap_or(&0)
            - starts.last().unwrap_or(&0);
        within_a_day.map_or(over_night, |within| within.min(over_night))
    }

    fn shortest_interval_days(&self) -> u32 {
        let days: Vec<u32> = self.days().collect();
        days.windows(2)
            .map(|pair| pair[1] - pair[0])
            .min()
            .unwrap_or(366)
    }

    fn days(&self) -> impl Iterator<Item = u32> {
        FIRST_DAY
            .series(jiff::Span::new().days(1))
            .take(DAYS)
            .zip(0..)
            .filter(|(day, _)| self.has_day(*day))
            .map(|(_, index)| index)
    }
}

fn has(bits: u64, value: i8) -> bool {
    bits & (1 << value) != 0
}

fn parse_field(text: &str, field: &Field) -> Result<u64, CronError> {
    text.split(',')
        .try_fold(0, |bits, item| Ok(bits | parse_item(item, field)?))
}

fn parse_item(item: &str, field: &Field) -> Result<u64, CronError> {
    let no_range = || CronError::Range {
        field: field.name,
        text: item.to_owned(),
    };
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    let (first, last, any) = if range == "*" || range == "?" {
        (field.min, field.max, ANY)
    } else if let Some((first, last)) = range.split_once('-') {
        (parse_value(first, field)?, parse_value(last, field)?, 0)
    } else {
        let first = parse_value(range, field)?;
        // "5/15" means from 5 to the end.
        (first, if step.is_some() { field.max } else { first }, 0)
    };
    let step = match step {
        Some(step) => parse_number(step)
            .filter(|step| *step > 0)
            .ok_or_else(no_range)?,
        None => 1,
    };
    if first > last {
        return Err(no_range());
    }
    let bits = (first..=last)
        .step_by(step.into())
        .fold(0, |bits, value| bits | 1 << value);
    Ok(if step > 1 { bits } else { bits | any })
}

fn parse_value(text: &str, field: &Field) -> Result<u8, CronError> {
    let lower = text.to_ascii_lowercase();
    let word = (field.min..)
        .zip(field.words)
        .find(|(_, word)| **word == lower);
    let value = word.map(|(value, _)| value).or_else(|| parse_number(text));
    value
        .filter(|value| (field.min..=field.max).contains(value))
        .ok_or_else(|| CronError::Value {
            field: field.name,
            text: text.to_owned(),
            min: field.min,
            max: field.max,
            hint: if field.max == 6 && text == "7" {
                "; Sunday is 0"
            } else {
                ""
            },
        })
}

fn parse_number(text: &str) -> Option<u8> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k07_what_kubernetes_refuses_is_refused_with_a_remedy() {
        let cases = [
            ("", "has 0 fields"),
            ("0 2 * *", "has 4 fields"),
            ("0 2 * * * *", "has 6 fields"),
            (
                "60 2 * * *",
                "minute has \"60\", which is not a number from 0 to 59",
            ),
            ("0 24 * * *", "hour has \"24\""),
            ("0 2 0 * *", "day of month has \"0\""),
            ("0 2 * 13 *", "month has \"13\""),
            ("0 2 * * 7", "Sunday is 0"),
            ("0 2 * * 5-7", "Sunday is 0"),
            ("0 2 * * fri-mon", "day of week has \"fri-mon\""),
            ("0 2 * * -1", "day of week has \"\""),
            ("*/0 2 * * *", "minute has \"*/0\""),
            ("5-1 2 * * *", "minute has \"5-1\""),
            ("0 2 L * *", "day of month has \"L\""),
            ("0 2 * * 5#3", "day of week has \"5#3\""),
            ("0 2 1,,2 * *", "day of month has \"\""),
            ("+5 2 * * *", "minute has \"+5\""),
            ("1/2/3 2 * * *", "minute has \"1/2/3\""),
        ];
        for (text, expected) in cases {
            let error = Cron::parse(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn k07_a_day_that_never_comes_is_refused() {
        for text in ["0 2 30 2 *", "0 2 31 2,4,6,9,11 *", "0 2 31 feb ?"] {
            assert_eq!(Cron::parse(text), Err(CronError::Never), "{text}");
        }
        // One of the two day fields suffices where neither is a star.
        assert!(Cron::parse("0 2 30 2 1").is_ok());
        assert!(Cron::parse("0 2 29 2 *").is_ok());
    }

    #[test]
    fn day_fields_are_joined_as_kubernetes_joins_them() {
        let monday = date(2026, 11, 2);
        let the_13th = date(2026, 11, 13);
        let either = Cron::parse("0 0 13 * mon").expect("valid");
        assert!(either.has_day(monday) && either.has_day(the_13th));
        // A star with a step is no star: here the dialects of cron differ.
        let stepped = Cron::parse("0 0 */2 * mon").expect("valid");
        assert!(stepped.has_day(monday) && stepped.has_day(the_13th));
        let both = Cron::parse("0 0 * * mon").expect("valid");
        assert!(both.has_day(monday) && !both.has_day(the_13th));
    }

    #[test]
    fn the_shortest_interval_is_found_within_and_between_days() {
        let cases = [
            ("* * * * *", 1),
            ("0,10 2 * * *", 10),
            ("0 2,23 * * *", 3 * 60),
            ("0 2 * * *", 24 * 60),
            ("0 2 * * mon-fri", 24 * 60),
            ("0 2 * * sat", 7 * 24 * 60),
            ("0 2 1 * *", 28 * 24 * 60),
            ("0 2 1 1 *", 365 * 24 * 60),
            ("0 2 29 2 *", 1461 * 24 * 60),
        ];
        for (text, minutes) in cases {
            let cron = Cron::parse(text).expect(text);
            assert_eq!(cron.shortest_interval_minutes(), minutes, "{text}");
        }
    }
}
