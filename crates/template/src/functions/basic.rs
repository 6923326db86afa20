//! What Go's own templates have beside comparisons: `and`, `index`, `len`, `print`, ...

use std::borrow::Cow;

use super::{text, whole, Call, Function, Returned, ANY};
use crate::printf;
use crate::value::Value;

pub const TABLE: &[Function] = &[
    Function { name: "and", least: 1, most: ANY, call: Call::Shortcut(false) },
    Function { name: "or", least: 1, most: ANY, call: Call::Shortcut(true) },
    Function::new("not", 1, 1, |a| Ok(Value::Bool(!a[0].truth()))),
    Function::new("len", 1, 1, len),
    Function::new("index", 1, ANY, index),
    Function::new("slice", 1, 3, slice),
    Function::new("print", 0, ANY, |a| text(print(a))),
    Function::new("println", 0, ANY, |a| text(println(a))),
    Function::new("printf", 1, ANY, |a| text(printf::format(&a[0].to_text(), &a[1..]))),
    Function::new("html", 0, ANY, |a| text(html(&print(a)))),
    Function::new("js", 0, ANY, |a| text(js(&print(a)))),
    Function::new("urlquery", 0, ANY, |a| text(urlquery(&print(a)))),
    Function::new("default", 1, 2, |a| Ok(if a[a.len() - 1].truth() { a[a.len() - 1].clone() } else { a[0].clone() })),
    Function::new("empty", 1, 1, |a| Ok(Value::Bool(!a[0].truth()))),
    Function::new("coalesce", 0, ANY, |a| Ok(a.iter().find(|v| v.truth()).cloned().unwrap_or(Value::Nil))),
    Function::new("ternary", 3, 3, |a| Ok(if a[2].truth() { a[0].clone() } else { a[1].clone() })),
    Function::new("fail", 1, 1, |a| Err(a[0].to_text().into_owned())),
    Function::new("kindOf", 1, 1, |a| text(a[0].kind())),
    Function::new("typeOf", 1, 1, |a| text(a[0].kind())),
];

fn len<'a>(a: &[Value<'a>]) -> Returned<'a> {
    let length = match &a[0] {
        Value::Text(text) => text.len(),
        Value::List(items) => items.len(),
        Value::Map(entries) => entries.len(),
        Value::Nil => 0,
        other => return Err(format!("len: a {} has no length", other.kind())),
    };
    Ok(Value::Int(length as i64))
}

/// Beyond the end it is an error, as in Go; a key that a map lacks is nil.
fn index<'a>(a: &[Value<'a>]) -> Returned<'a> {
    let mut value = a[0].clone();
    for key in &a[1..] {
        value = match &value {
            Value::Map(entries) => {
                let key = key.to_text();
                let place = entries.binary_search_by(|(known, _)| known.as_ref().cmp(&key));
                place.map_or(Value::Nil, |at| entries[at].1.clone())
            }
            Value::List(items) => {
                let at = whole(key, "index")?;
                let item = usize::try_from(at).ok().and_then(|at| items.get(at));
                item.cloned().ok_or_else(|| format!("index: {at} is beyond the {} of the list", items.len()))?
            }
            Value::Text(text) => {
                let at = whole(key, "index")?;
                let byte = usize::try_from(at).ok().and_then(|at| text.as_bytes().get(at));
                let byte = byte.ok_or_else(|| format!("index: {at} is beyond the {} bytes of the text", text.len()))?;
                Value::Uint(u64::from(*byte))
            }
            Value::Fields(fields) => {
                let key = key.to_text();
                fields.field(&key).ok_or_else(|| format!("index: no field {key}"))?
            }
            other => return Err(format!("index: a {} has no parts", other.kind())),
        };
    }
    Ok(value)
}

fn slice<'a>(a: &[Value<'a>]) -> Returned<'a> {
    let length = match &a[0] {
        Value::Text(text) => text.len(),
        Value::List(items) => items.len(),
        other => return Err(format!("slice: a {} has no parts", other.kind())),
    };
    let place = |i: usize, usual: usize| match a.get(i) {
        Some(value) => {
            let at = whole(value, "slice")?;
            let place = usize::try_from(at).ok().filter(|at| *at <= length);
            place.ok_or_else(|| format!("slice: {at} is beyond {length}"))
        }
        None => Ok(usual),
    };
    let (start, end) = (place(1, 0)?, place(2, length)?);
    if start > end {
        return Err(format!("slice: {start} comes after {end}"));
    }
    match &a[0] {
        // in the middle of a character: its bytes are no text any more
        Value::Text(whole) => text(String::from_utf8_lossy(&whole.as_bytes()[start..end]).into_owned()),
        Value::List(items) => Ok(Value::list(items[start..end].to_vec())),
        _ => Ok(Value::Nil),
    }
}

/// With spaces between operands of which neither is a text.
pub fn print<'a>(values: &[Value<'a>]) -> Cow<'a, str> {
    if let [Value::Text(text)] = values {
        return text.clone();
    }
    let mut out = String::new();
    for (i, value) in values.iter().enumerate() {
        let texts = |value: &Value| matches!(value, Value::Text(_));
        if i > 0 && !texts(value) && !texts(&values[i - 1]) {
            out.push(' ');
        }
        value.write(&mut out, "<nil>");
    }
    out.into()
}

fn println(values: &[Value]) -> String {
    let texts: Vec<Cow<str>> = values.iter().map(Value::to_text).collect();
    texts.join(" ") + "\n"
}

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\0' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c if c < ' ' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

fn urlquery(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
