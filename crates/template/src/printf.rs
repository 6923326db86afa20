//! Go's `fmt.Sprintf`: verbs, flags, widths, precisions, indexed arguments; what does not fit is told in the text itself.

use crate::value::Value;

/// Fields are not filled up any wider.
const WIDEST: i64 = 10_000;

/// How a value is to be written.
#[derive(Default)]
struct Spec {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

pub fn format(pattern: &str, arguments: &[Value]) -> String {
    let mut formatter = Formatter { rest: pattern, arguments, next: 0, reordered: false, out: String::new() };
    formatter.run();
    formatter.out
}

struct Formatter<'p, 'a, 'v> {
    rest: &'p str,
    arguments: &'a [Value<'v>],
    next: usize,
    /// Arguments were named by number: then those left over are no mistake.
    reordered: bool,
    out: String,
}

impl Formatter<'_, '_, '_> {
    fn run(&mut self) {
        while let Some(at) = self.rest.find('%') {
            self.out.push_str(&self.rest[..at]);
            self.rest = &self.rest[at + 1..];
            self.verb();
        }
        self.out.push_str(self.rest);
        if !self.reordered && self.next < self.arguments.len() {
            self.out.push_str("%!(EXTRA ");
            for (i, value) in self.arguments[self.next..].iter().enumerate() {
                let separator = if i == 0 { "" } else { ", " };
                self.out.push_str(&format!("{separator}{}", told(value)));
            }
            self.out.push(')');
        }
    }

    fn take(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn verb(&mut self) {
        let mut spec = Spec::default();
        loop {
            let flag = match self.rest.chars().next() {
                Some('-') => &mut spec.minus,
                Some('+') => &mut spec.plus,
                Some('#') => &mut spec.sharp,
                Some(' ') => &mut spec.space,
                Some('0') => &mut spec.zero,
                _ => break,
            };
            *flag = true;
            self.rest = &self.rest[1..];
        }
        self.index();
        spec.width = if self.take('*') {
            let width = self.number_argument("WIDTH");
            spec.minus |= width.is_some_and(|width| width < 0);
            width.map(|width| width.unsigned_abs() as usize)
        } else {
            self.digits()
        };
        if self.take('.') {
            self.index();
            spec.precision = if self.take('*') {
                self.number_argument("PREC").and_then(|precision| usize::try_from(precision).ok())
            } else {
                Some(self.digits().unwrap_or(0))
            };
        }
        self.index();
        let Some(verb) = self.rest.chars().next() else { return self.out.push_str("%!(NOVERB)") };
        self.rest = &self.rest[verb.len_utf8()..];
        if verb == '%' {
            return self.out.push('%');
        }
        let Some(value) = self.arguments.get(self.next) else {
            let why = if self.reordered { "BADINDEX" } else { "MISSING" };
            return self.out.push_str(&format!("%!{verb}({why})"));
        };
        self.next += 1;
        write(&mut self.out, value, verb, &spec);
    }

    /// `[n]`: the argument that comes next.
    fn index(&mut self) {
        let Some((inside, after)) = self.rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) else { return };
        self.reordered = true;
        // a number that is none leads beyond the last argument
        self.next = inside.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).unwrap_or(self.arguments.len());
        self.rest = after;
    }

    fn digits(&mut self) -> Option<usize> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let digits = &self.rest[..end];
        self.rest = &self.rest[end..];
        digits.parse::<usize>().ok().map(|n| n.min(WIDEST as usize))
    }

    fn number_argument(&mut self, what: &str) -> Option<i64> {
        let number = self.arguments.get(self.next).and_then(Value::whole);
        self.next += 1;
        let number = number.and_then(|n| i64::try_from(n).ok()).filter(|n| n.abs() <= WIDEST);
        if number.is_none() {
            self.out.push_str(&format!("%!(BAD{what})"));
        }
        number
    }
}

/// `int=3`
fn told(value: &Value) -> String {
    match value {
        Value::Nil => "<nil>".into(),
        value => format!("{}={}", type_name(value), value.to_text()),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::List(_) => "[]interface {}",
        Value::Map(_) => "map[string]interface {}",
        other => other.kind(),
    }
}

fn write(out: &mut String, value: &Value, verb: char, spec: &Spec) {
    match (value, verb) {
        (_, 'T') => pad(out, type_name(value), spec),
        (Value::List(items), 's' | 'd' | 'q' | 'x' | 'X') => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { " " });
                write(out, item, verb, spec);
            }
            out.push(']');
        }
        (Value::Text(text), 'v') if spec.sharp => pad(out, &quoted(text), spec),
        (Value::Text(_) | Value::Fields(_), 's' | 'v' | 'q' | 'x' | 'X') => text(out, &value.to_text(), verb, spec),
        (Value::Bool(b), 't' | 'v') => pad(out, if *b { "true" } else { "false" }, spec),
        (Value::Int(_) | Value::Uint(_), 'v' | 'd' | 'b' | 'o' | 'O' | 'x' | 'X' | 'c' | 'q' | 'U') => {
            whole(out, value.whole().unwrap_or(0), verb, spec)
        }
        (Value::Float(f), 'v' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G') => float(out, *f, verb, spec),
        (Value::List(_) | Value::Map(_), 'v') => pad(out, &value.to_text(), spec),
        (Value::Nil, 'v') => pad(out, "<nil>", spec),
        (value, verb) => out.push_str(&format!("%!{verb}({})", told(value))),
    }
}

/// Fills up to the width.
fn pad(out: &mut String, text: &str, spec: &Spec) {
    let missing = spec.width.unwrap_or(0).saturating_sub(text.chars().count());
    let fill = if spec.zero && !spec.minus { "0" } else { " " }.repeat(missing);
    let parts = if spec.minus { [text, &fill] } else { [&*fill, text] };
    out.extend(parts);
}

fn text(out: &mut String, text: &str, verb: char, spec: &Spec) {
    let end = spec.precision.and_then(|most| text.char_indices().nth(most)).map_or(text.len(), |(end, _)| end);
    let text = &text[..end];
    match verb {
        'q' if spec.sharp && !text.contains('`') && !text.chars().any(char::is_control) => {
            pad(out, &format!("`{text}`"), spec)
        }
        'q' => pad(out, &quoted(text), spec),
        'x' => pad(out, &data_encoding::HEXLOWER.encode(text.as_bytes()), spec),
        'X' => pad(out, &data_encoding::HEXUPPER.encode(text.as_bytes()), spec),
        _ => pad(out, text, spec),
    }
}

/// In quotes, as Go's source writes it.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            c if u32::from(c) < 0x20 || u32::from(c) == 0x7f => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn whole(out: &mut String, number: i128, verb: char, spec: &Spec) {
    let character = || u32::try_from(number).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
    let magnitude = number.unsigned_abs();
    let (prefix, digits) = match verb {
        'c' => return pad(out, &character().to_string(), spec),
        'q' => return pad(out, &format!("'{}'", quoted(&character().to_string()).trim_matches('"')), spec),
        'U' => return pad(out, &format!("U+{number:04X}"), spec),
        'b' => ("0b", format!("{magnitude:b}")),
        'o' => ("0", format!("{magnitude:o}")),
        'O' => ("0o", format!("{magnitude:o}")),
        'x' => ("0x", format!("{magnitude:x}")),
        'X' => ("0X", format!("{magnitude:X}")),
        _ => ("", magnitude.to_string()),
    };
    let prefix = if spec.sharp || verb == 'O' { prefix } else { "" };
    let sign = match (number < 0, spec.plus, spec.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    };
    // zeros stand between the sign and the digits
    let zeros = match (spec.precision, spec.width) {
        (Some(least), _) => least.saturating_sub(digits.len()),
        (None, Some(width)) if spec.zero && !spec.minus => width.saturating_sub(sign.len() + digits.len()),
        _ => 0,
    };
    let digits = if spec.precision == Some(0) && number == 0 { String::new() } else { digits };
    let text = format!("{sign}{prefix}{}{digits}", "0".repeat(zeros));
    pad(out, &text, &Spec { zero: false, width: spec.width, minus: spec.minus, ..Spec::default() });
}

fn float(out: &mut String, number: f64, verb: char, spec: &Spec) {
    let magnitude = number.abs();
    let text = match verb {
        _ if !number.is_finite() => if number.is_nan() { "NaN" } else { "Inf" }.to_owned(),
        'f' | 'F' => format!("{magnitude:.*}", spec.precision.unwrap_or(6)),
        'e' | 'E' => scientific(&format!("{magnitude:.*e}", spec.precision.unwrap_or(6))),
        _ => general(magnitude, spec.precision),
    };
    let text = if matches!(verb, 'E' | 'G') { text.to_uppercase() } else { text };
    let sign = match (number.is_sign_negative() && !number.is_nan(), spec.plus, spec.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    };
    let sign = if number == f64::INFINITY && sign.is_empty() { "+" } else { sign };
    let zeros = match spec.width {
        Some(width) if spec.zero && !spec.minus && number.is_finite() => width.saturating_sub(sign.len() + text.len()),
        _ => 0,
    };
    let text = format!("{sign}{}{text}", "0".repeat(zeros));
    pad(out, &text, &Spec { zero: false, width: spec.width, minus: spec.minus, ..Spec::default() });
}

/// `1.5e7` as `1.5e+07`.
fn scientific(text: &str) -> String {
    let Some((mantissa, exponent)) = text.split_once('e') else { return text.to_owned() };
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// `%g`: the shortest digits that mean the number, or so many; with an exponent below -4, and from the precision on.
fn general(magnitude: f64, precision: Option<usize>) -> String {
    let digits = match precision {
        Some(digits) => format!("{magnitude:.*e}", digits.max(1) - 1),
        None => format!("{magnitude:e}"),
    };
    let Some((mantissa, exponent)) = digits.split_once('e') else { return digits };
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let count = i32::try_from(mantissa.len()).unwrap_or(i32::MAX) - i32::from(mantissa.contains('.'));
    let limit = i32::try_from(precision.map_or(6, |digits| digits.max(1))).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= limit {
        return scientific(&format!("{mantissa}e{exponent}"));
    }
    let places = usize::try_from((count - 1 - exponent).max(0)).unwrap_or(0);
    // the mantissa's digits are all there are, so this rounds nothing
    let rounded: f64 = format!("{mantissa}e{exponent}").parse().unwrap_or(magnitude);
    format!("{rounded:.places$}")
}

/// As `%v` writes it.
pub fn shortest(number: f64) -> String {
    let mut out = String::new();
    float(&mut out, number, 'v', &Spec::default());
    out
}
