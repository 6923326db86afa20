//! Functions of texts. What they work on comes last, so that it can be piped.

use super::{list, text, whole, Function, Returned, ANY};
use crate::printf;
use crate::value::Value;

/// No text is made longer by repetition or filling up.
const LONGEST: usize = 1 << 20;

pub const TABLE: &[Function] = &[
    Function::new("upper", 1, 1, |a| text(a[0].to_text().to_uppercase())),
    Function::new("lower", 1, 1, |a| text(a[0].to_text().to_lowercase())),
    Function::new("title", 1, 1, |a| text(by_word(&a[0].to_text(), |c| c.to_uppercase().collect()))),
    Function::new("untitle", 1, 1, |a| text(by_word(&a[0].to_text(), |c| c.to_lowercase().collect()))),
    Function::new("trim", 1, 1, |a| text(a[0].to_text().trim().to_owned())),
    Function::new("trimAll", 2, 2, |a| {
        let characters = a[0].to_text();
        text(a[1].to_text().trim_matches(|c| characters.contains(c)).to_owned())
    }),
    Function::new("trimPrefix", 2, 2, |a| {
        let whole = a[1].to_text();
        text(whole.strip_prefix(&*a[0].to_text()).unwrap_or(&whole).to_owned())
    }),
    Function::new("trimSuffix", 2, 2, |a| {
        let whole = a[1].to_text();
        text(whole.strip_suffix(&*a[0].to_text()).unwrap_or(&whole).to_owned())
    }),
    Function::new("nospace", 1, 1, |a| text(a[0].to_text().split_whitespace().collect::<String>())),
    Function::new("contains", 2, 2, |a| Ok(Value::Bool(a[1].to_text().contains(&*a[0].to_text())))),
    Function::new("hasPrefix", 2, 2, |a| Ok(Value::Bool(a[1].to_text().starts_with(&*a[0].to_text())))),
    Function::new("hasSuffix", 2, 2, |a| Ok(Value::Bool(a[1].to_text().ends_with(&*a[0].to_text())))),
    Function::new("replace", 3, 3, |a| text(a[2].to_text().replace(&*a[0].to_text(), &a[1].to_text()))),
    Function::new("repeat", 2, 2, repeat),
    Function::new("substr", 3, 3, substr),
    Function::new("trunc", 2, 2, trunc),
    Function::new("abbrev", 2, 2, abbrev),
    Function::new("cat", 0, ANY, |a| {
        let texts = a.iter().filter(|value| !matches!(value, Value::Nil)).map(|value| value.to_text());
        text(texts.collect::<Vec<_>>().join(" "))
    }),
    Function::new("quote", 0, ANY, |a| text(each(a, printf::quoted))),
    Function::new("squote", 0, ANY, |a| text(each(a, |t| format!("'{t}'")))),
    Function::new("indent", 2, 2, |a| text(indented(&a[0], &a[1])?)),
    Function::new("nindent", 2, 2, |a| text(format!("\n{}", indented(&a[0], &a[1])?))),
    Function::new("join", 2, 2, |a| {
        let separator = a[0].to_text();
        match &a[1] {
            Value::List(items) => text(items.iter().map(|v| v.to_text()).collect::<Vec<_>>().join(&separator)),
            other => text(other.to_text()),
        }
    }),
    Function::new("splitList", 2, 2, |a| {
        let (separator, whole) = (a[0].to_text(), a[1].to_text());
        Ok(Value::list(whole.split(&*separator).map(|part| Value::text(part.to_owned())).collect()))
    }),
    Function::new("split", 2, 2, |a| {
        let (separator, whole) = (a[0].to_text(), a[1].to_text());
        let parts = whole.split(&*separator).enumerate();
        Ok(Value::map(parts.map(|(i, part)| (format!("_{i}").into(), Value::text(part.to_owned())))))
    }),
    Function::new("toString", 1, 1, |a| text(a[0].to_text())),
    Function::new("toStrings", 1, 1, |a| {
        Ok(Value::list(list(&a[0], "toStrings")?.iter().map(|value| Value::Text(value.to_text())).collect()))
    }),
    Function::new("base", 1, 1, |a| text(base(&a[0].to_text()))),
    Function::new("dir", 1, 1, |a| text(dir(&a[0].to_text()))),
    Function::new("ext", 1, 1, |a| {
        let path = base(&a[0].to_text());
        text(path.rfind('.').map_or(String::new(), |dot| path[dot..].to_owned()))
    }),
];

fn by_word(text: &str, change: fn(char) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        if before.is_whitespace() {
            out.push_str(&change(c));
        } else {
            out.push(c);
        }
        before = c;
    }
    out
}

fn each(values: &[Value], form: impl Fn(&str) -> String) -> String {
    let present = values.iter().filter(|value| !matches!(value, Value::Nil));
    present.map(|value| form(&value.to_text())).collect::<Vec<_>>().join(" ")
}

fn repeat<'a>(a: &[Value<'a>]) -> Returned<'a> {
    let (count, part) = (usize::try_from(whole(&a[0], "repeat")?).unwrap_or(0), a[1].to_text());
    if count.saturating_mul(part.len()) > LONGEST {
        return Err(format!("repeat: more than {LONGEST} bytes"));
    }
    text(part.repeat(count))
}

/// Where the character `at` begins.
fn place(text: &str, at: usize) -> usize {
    text.char_indices().nth(at).map_or(text.len(), |(place, _)| place)
}

/// Characters from `a[0]` to `a[1]`; negative: from the start, to the end.
fn substr<'a>(a: &[Value<'a>]) -> Returned<'a> {
    let whole_text = a[2].to_text();
    let start = usize::try_from(whole(&a[0], "substr")?).map_or(0, |at| place(&whole_text, at));
    let end = usize::try_from(whole(&a[1], "substr")?).map_or(whole_text.len(), |at| place(&whole_text, at));
    text(whole_text.get(start..end.max(start)).unwrap_or_default().to_owned())
}

/// The first so many characters; negative: the last.
fn trunc<'a>(a: &[Value<'a>]) -> Returned<'a> {
    let (count, whole_text) = (whole(&a[0], "trunc")?, a[1].to_text());
    let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count >= 0 {
        return text(whole_text[..place(&whole_text, size)].to_owned());
    }
    let length = whole_text.chars().count();
    text(whole_text[place(&whole_text, length.saturating_sub(size))..].to_owned())
}

fn abbrev<'a>(a: &[Value<'a>]) -> Returned<'a> {
    let (width, whole_text) = (whole(&a[0], "abbrev")?, a[1].to_text());
    let width = usize::try_from(width).unwrap_or(0);
    if width < 4 || whole_text.chars().count() <= width {
        return text(whole_text);
    }
    text(format!("{}...", &whole_text[..place(&whole_text, width - 3)]))
}

fn indented(count: &Value, value: &Value) -> Result<String, String> {
    let count = usize::try_from(whole(count, "indent")?).unwrap_or(0).min(1000);
    let space = " ".repeat(count);
    Ok(format!("{space}{}", value.to_text().replace('\n', &format!("\n{space}"))))
}

fn base(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    match (path, trimmed) {
        ("", _) => ".".into(),
        (_, "") => "/".into(),
        _ => trimmed.rsplit('/').next().unwrap_or_default().to_owned(),
    }
}

fn dir(path: &str) -> String {
    match path.rsplit_once('/') {
        None => ".".into(),
        Some((before, _)) => match before.trim_end_matches('/') {
            "" => "/".into(),
            before => before.to_owned(),
        },
    }
}
