//! Weekly windows in which reboots are allowed. Pure.
//!
//! Decides: what `rollout.windows` means, whether a window is open and when the next one opens. All in UTC: a time zone
//! would have an hour twice a year that is there twice or not at all.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use crate::error::{Failure, Reason};
use crate::text::one_line;

const DAY: i64 = 24 * 3600;
const WEEK: i64 = 7 * DAY;
/// The first second of 1970 was a Thursday: so much after the start of its week.
const EPOCH: i64 = 3 * DAY;
/// Most windows: each day may have several.
const WINDOWS: usize = 64;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Why the windows cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WindowError {
    /// None is named, so the node would never reboot.
    #[error("`rollout.windows` names no window, so the node would never reboot")]
    None,
    /// There are too many.
    #[error("`rollout.windows` names more than {WINDOWS} windows")]
    TooMany,
    /// One does not have its three parts.
    #[error("the window `{window}` is not written as days, a time and a length: `Sat,Sun 22:00 2h`")]
    Shape {
        /// As it is written.
        window: String,
    },
    /// One part of one window cannot be read.
    #[error("the window `{window}`: `{part}` is not {expected}")]
    Part {
        /// As it is written.
        window: String,
        /// The part.
        part: String,
        /// What stands there in a window that can be read.
        expected: &'static str,
    },
}

impl Failure for WindowError {
    fn reason(&self) -> Reason {
        Reason::InvalidSettings
    }

    fn cure(&self) -> Option<String> {
        Some("write `rollout.windows` as in `Sat,Sun 22:00 2h; Mon..Fri 03:00 90m`".to_owned())
    }
}

/// One window of each week, in seconds after Monday 00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    start: i64,
    length: i64,
}

/// The windows of each week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Windows(Vec<Window>);

impl Windows {
    /// Reads `Sat,Sun 22:00 2h; Mon..Fri 03:00 90m`.
    ///
    /// # Errors
    /// When a part of it cannot be read, with that part; or when there is no window in it.
    pub fn parse(text: &str) -> Result<Self, WindowError> {
        let mut windows = Vec::new();
        for window in text.split(';').map(str::trim).filter(|window| !window.is_empty()) {
            windows.extend(parse_one(window)?);
            if windows.len() > WINDOWS {
                return Err(WindowError::TooMany);
            }
        }
        if windows.is_empty() { Err(WindowError::None) } else { Ok(Self(windows)) }
    }

    /// Whether a reboot is allowed now.
    pub fn open(&self, now: Timestamp) -> bool {
        let now = second_of_week(now);
        self.0.iter().any(|window| (now - window.start).rem_euclid(WEEK) < window.length)
    }

    /// When a window opens next; one that opens at this very second comes again in a week.
    pub fn next_opening(&self, now: Timestamp) -> Timestamp {
        let second = second_of_week(now);
        let until = |window: &Window| match (window.start - second).rem_euclid(WEEK) {
            0 => WEEK,
            some => some,
        };
        let until = self.0.iter().map(until).min().unwrap_or(WEEK);
        let whole = Timestamp::from_second(now.as_second()).unwrap_or(now);
        whole.checked_add(SignedDuration::from_secs(until)).unwrap_or(Timestamp::MAX)
    }
}

fn second_of_week(now: Timestamp) -> i64 {
    (now.as_second() + EPOCH).rem_euclid(WEEK)
}

fn parse_one(window: &str) -> Result<Vec<Window>, WindowError> {
    let mut parts = window.split_whitespace();
    let (Some(days), Some(time), Some(length), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(WindowError::Shape { window: one_line(window, 64) });
    };
    let part = |part: &str, expected| WindowError::Part {
        window: one_line(window, 64),
        part: one_line(part, 32),
        expected,
    };
    let days = parse_days(days).ok_or_else(|| part(days, "a list of days like `Sat,Sun` or `Mon..Fri`"))?;
    let time = parse_time(time).ok_or_else(|| part(time, "a time of day like `22:00`"))?;
    let length =
        parse_length(length).ok_or_else(|| part(length, "a length up to a day like `90m` or `2h`"))?;
    let length = i64::try_from(length.as_secs()).unwrap_or(DAY);
    Ok(days.into_iter().map(|day| Window { start: day * DAY + time, length }).collect())
}

/// The days as numbers, Monday is 0. A range may run over the end of the week.
fn parse_days(text: &str) -> Option<Vec<i64>> {
    let number = |day: &str| {
        let place = DAYS.iter().position(|name| name.eq_ignore_ascii_case(day))?;
        i64::try_from(place).ok()
    };
    let mut days = Vec::new();
    for item in text.split(',') {
        match item.split_once("..") {
            None => days.push(number(item)?),
            Some((first, last)) => {
                let first = number(first)?;
                let span = (number(last)? - first).rem_euclid(7);
                days.extend((0..=span).map(|step| (first + step).rem_euclid(7)));
            }
        }
    }
    days.sort_unstable();
    days.dedup();
    Some(days)
}

fn parse_time(text: &str) -> Option<i64> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |text: &str, most: i64| {
        let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<i64>().ok())??;
        (text.len() == 2 && number <= most).then_some(number)
    };
    Some(digits(hour, 23)? * 3600 + digits(minute, 59)? * 60)
}

/// `90m`, `2h`, `1h30m`: from a minute to a day.
fn parse_length(text: &str) -> Option<Duration> {
    let (hours, rest) = match text.split_once('h') {
        Some((hours, rest)) => (hours.parse::<u32>().ok()?, rest),
        None => (0, text),
    };
    let minutes = match rest.strip_suffix('m') {
        Some(minutes) => minutes.parse::<u32>().ok()?,
        None if rest.is_empty() && !text.is_empty() => 0,
        None => return None,
    };
    let minutes = hours.checked_mul(60)?.checked_add(minutes)?;
    (1..=24 * 60).contains(&minutes).then(|| Duration::from_secs(u64::from(minutes) * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_is_open_from_its_first_second_to_before_its_last() {
        // 2026-11-21 is a Saturday.
        let windows = Windows::parse("Sat,Sun 22:00 2h; Wed 03:00 1h30m").unwrap();
        for (now, open, next) in [
            ("2026-11-21T21:59:59Z", false, "2026-11-21T22:00:00Z"),
            ("2026-11-21T22:00:00Z", true, "2026-11-22T22:00:00Z"),
            ("2026-11-21T23:59:59.9Z", true, "2026-11-22T22:00:00Z"),
            ("2026-11-22T00:00:00Z", false, "2026-11-22T22:00:00Z"),
            // The week ends within it.
            ("2026-11-22T23:59:59Z", true, "2026-11-25T03:00:00Z"),
            ("2026-11-23T00:00:00Z", false, "2026-11-25T03:00:00Z"),
            ("2026-11-25T04:29:59Z", true, "2026-11-28T22:00:00Z"),
            ("2026-11-25T04:30:00Z", false, "2026-11-28T22:00:00Z"),
            ("1969-12-31T03:30:00Z", true, "1970-01-03T22:00:00Z"),
        ] {
            assert_eq!((windows.open(at(now)), windows.next_opening(at(now))), (open, at(next)), "{now}");
        }
    }

    #[test]
    fn ranges_run_over_midnight_and_over_the_end_of_the_week() {
        let windows = Windows::parse("fri..mon 23:30 60m").unwrap();
        for (now, open) in [
            ("2026-11-20T23:45:00Z", true),
            ("2026-11-21T00:29:59Z", true),
            ("2026-11-24T00:15:00Z", true),
            ("2026-11-24T23:45:00Z", false),
            ("2026-11-23T00:15:00Z", true),
        ] {
            assert_eq!(windows.open(at(now)), open, "{now}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (text, said) in [
            ("", "names no window"),
            (" ; ", "names no window"),
            ("Sat 22:00", "`Sat 22:00` is not written as"),
            ("Sat 22:00 2h extra", "is not written as"),
            ("Sab 22:00 2h", "`Sab` is not a list of days"),
            ("Sat, Sun 22:00 2h", "is not written as"),
            ("Mon.. 22:00 2h", "`Mon..` is not a list of days"),
            ("Sat 24:00 2h", "`24:00` is not a time of day"),
            ("Sat 2:00 2h", "`2:00` is not a time of day"),
            ("Sat 22:00 2", "`2` is not a length"),
            ("Sat 22:00 0m", "`0m` is not a length"),
            ("Sat 22:00 25h", "`25h` is not a length"),
            ("Sat 22:00 -1h", "`-1h` is not a length"),
            ("Sat 22:00 99999999999h", "is not a length"),
        ] {
            let error = Windows::parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "`{text}`: {error}");
        }
    }
}
