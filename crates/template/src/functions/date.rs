//! Moments, in layouts as Go writes them: the parts of Monday, January 2, 15:04:05 of 2006.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::{text, Function, Returned};
use crate::value::Value;

pub const TABLE: &[Function] = &[
    Function::new("now", 0, 0, |_| Ok(Value::Int(Timestamp::now().as_nanosecond() as i64))),
    Function::new("date", 2, 2, |a| shown("date", &a[0], &a[1], TimeZone::system())),
    Function::new("dateInZone", 3, 3, |a| shown("dateInZone", &a[0], &a[1], zone(&a[2].to_text())?)),
    Function::new("date_in_zone", 3, 3, |a| shown("date_in_zone", &a[0], &a[1], zone(&a[2].to_text())?)),
    Function::new("htmlDate", 1, 1, |a| shown("htmlDate", &Value::text("2006-01-02"), &a[0], TimeZone::system())),
    Function::new("unixEpoch", 1, 1, |a| Ok(Value::Int(moment("unixEpoch", &a[0])?.as_second()))),
];

fn zone(name: &str) -> Result<TimeZone, String> {
    match name {
        "" | "Local" => Ok(TimeZone::system()),
        "UTC" => Ok(TimeZone::UTC),
        name => TimeZone::get(name).map_err(|_| format!("unknown time zone \"{name}\"")),
    }
}

/// Seconds since 1970, or ns: what would be beyond the year 5138 in seconds.
fn moment(name: &str, value: &Value) -> Result<Timestamp, String> {
    const NS_FROM: i128 = 100_000_000_000;
    let number = value.whole().ok_or_else(|| format!("{name}: a {} is no time", value.kind()))?;
    let ns = if number.abs() >= NS_FROM { number } else { number * 1_000_000_000 };
    Timestamp::from_nanosecond(ns).map_err(|_| format!("{name}: {number} is no time"))
}

fn shown<'a>(name: &str, layout: &Value<'a>, value: &Value<'a>, zone: TimeZone) -> Returned<'a> {
    text(format(&layout.to_text(), &moment(name, value)?.to_zoned(zone)))
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

type Part = fn(&Zoned) -> String;

/// The longer ones first, where one begins with another.
const PARTS: &[(&str, Part)] = &[
    ("January", |t| month(t).to_owned()),
    ("Jan", |t| month(t)[..3].to_owned()),
    ("Monday", |t| day(t).to_owned()),
    ("Mon", |t| day(t)[..3].to_owned()),
    ("MST", |t| t.strftime("%Z").to_string()),
    ("2006", |t| format!("{:04}", t.year())),
    ("002", |t| format!("{:03}", t.day_of_year())),
    ("01", |t| format!("{:02}", t.month())),
    ("02", |t| format!("{:02}", t.day())),
    ("03", |t| format!("{:02}", twelve(t))),
    ("04", |t| format!("{:02}", t.minute())),
    ("05", |t| format!("{:02}", t.second())),
    ("06", |t| format!("{:02}", t.year().rem_euclid(100))),
    ("15", |t| format!("{:02}", t.hour())),
    ("PM", |t| if t.hour() < 12 { "AM" } else { "PM" }.into()),
    ("pm", |t| if t.hour() < 12 { "am" } else { "pm" }.into()),
    ("_2", |t| format!("{:2}", t.day())),
    ("Z07:00", |t| if seconds_east(t) == 0 { "Z".into() } else { offset(t, ":") }),
    ("Z0700", |t| if seconds_east(t) == 0 { "Z".into() } else { offset(t, "") }),
    ("-07:00", |t| offset(t, ":")),
    ("-0700", |t| offset(t, "")),
    ("-07", |t| offset(t, ":")[..3].to_owned()),
    ("1", |t| t.month().to_string()),
    ("2", |t| t.day().to_string()),
    ("3", |t| twelve(t).to_string()),
    ("4", |t| t.minute().to_string()),
    ("5", |t| t.second().to_string()),
];

fn month(t: &Zoned) -> &'static str {
    MONTHS[(t.month() as usize - 1) % 12]
}

fn day(t: &Zoned) -> &'static str {
    DAYS[t.weekday().to_monday_zero_offset() as usize % 7]
}

fn twelve(t: &Zoned) -> i8 {
    match t.hour() % 12 {
        0 => 12,
        hour => hour,
    }
}

fn seconds_east(t: &Zoned) -> i32 {
    t.offset().seconds()
}

fn offset(t: &Zoned, colon: &str) -> String {
    let east = seconds_east(t);
    let minutes = east.abs() / 60;
    format!("{}{:02}{colon}{:02}", if east < 0 { '-' } else { '+' }, minutes / 60, minutes % 60)
}

fn format(layout: &str, time: &Zoned) -> String {
    let mut out = String::new();
    let mut rest = layout;
    while let Some(c) = rest.chars().next() {
        if let Some((digits, form)) = fraction(rest) {
            let ns = format!("{:09}", time.subsec_nanosecond());
            let shown = &ns[..digits];
            // nines leave out zeros at the end, and the point with them
            let shown = if form == '9' { shown.trim_end_matches('0') } else { shown };
            if !shown.is_empty() {
                out.push(c);
                out.push_str(shown);
            }
            rest = &rest[1 + digits..];
        } else if let Some((part, write)) = PARTS.iter().find(|(part, _)| rest.starts_with(part)) {
            out.push_str(&write(time));
            rest = &rest[part.len()..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// A point or a comma, and up to nine zeros or nines: how many, and which.
fn fraction(text: &str) -> Option<(usize, char)> {
    let digits = text.strip_prefix(['.', ','])?;
    let form = digits.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let count = digits.chars().take_while(|c| *c == form).count();
    let ends = !digits[count..].starts_with(|c: char| c.is_ascii_digit());
    (ends && count <= 9).then_some((count, form))
}
