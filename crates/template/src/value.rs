//! What templates work on.

use std::borrow::Cow;
use std::rc::Rc;

/// A value of Go's kinds, as far as templates can tell them apart.
#[derive(Clone)]
pub enum Value<'a> {
    /// Go's nil, and what is missing.
    Nil,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(Cow<'a, str>),
    List(Rc<[Value<'a>]>),
    /// Ordered by key.
    Map(Rc<[(Cow<'a, str>, Value<'a>)]>),
    Fields(Rc<dyn Fields<'a> + 'a>),
}

/// Something with named fields, read when they are asked for.
pub trait Fields<'a> {
    /// A field's value; `None`: there is no such field.
    fn field(&self, name: &str) -> Option<Value<'a>>;

    /// All of it, for functions that write whole values.
    fn names(&self) -> &'static [&'static str];

    /// How it is written where a text is wanted; `None`: as Go writes a struct, `{a b c}`.
    fn text(&self) -> Option<Cow<'a, str>> {
        None
    }

    /// The whole as JSON, where it has a form of its own.
    fn json(&self) -> Option<String> {
        None
    }
}

/// What is known of a value before there is one.
#[derive(Debug)]
pub enum Shape {
    /// Nothing.
    Any,
    /// No fields.
    Plain,
    Fields(&'static [(&'static str, Shape)]),
    List(&'static Shape),
}

impl<'a> Value<'a> {
    pub fn text(text: impl Into<Cow<'a, str>>) -> Value<'a> {
        Value::Text(text.into())
    }

    pub fn list(items: Vec<Value<'a>>) -> Value<'a> {
        Value::List(items.into())
    }

    /// The last of equal keys counts.
    pub fn map(entries: impl IntoIterator<Item = (Cow<'a, str>, Value<'a>)>) -> Value<'a> {
        Value::Map(entries.into_iter().collect::<std::collections::BTreeMap<_, _>>().into_iter().collect())
    }

    pub fn fields(fields: impl Fields<'a> + 'a) -> Value<'a> {
        Value::Fields(Rc::new(fields))
    }

    /// In one line.
    pub fn to_json(&self) -> String {
        self.json().to_string()
    }

    /// What `if` and `and` go by: false, 0, nil and what is empty are not true.
    pub(crate) fn truth(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(b) => *b,
            Value::Int(i) => *i != 0,
            Value::Uint(u) => *u != 0,
            Value::Float(f) => *f != 0.0,
            Value::Text(t) => !t.is_empty(),
            Value::List(l) => !l.is_empty(),
            Value::Map(m) => !m.is_empty(),
            Value::Fields(_) => true,
        }
    }

    /// Go's name of the kind.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Nil => "invalid",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Uint(_) => "uint64",
            Value::Float(_) => "float64",
            Value::Text(_) => "string",
            Value::List(_) => "slice",
            Value::Map(_) => "map",
            Value::Fields(_) => "struct",
        }
    }

    /// The number, where it is a whole one.
    pub(crate) fn whole(&self) -> Option<i128> {
        match self {
            Value::Int(i) => Some(i128::from(*i)),
            Value::Uint(u) => Some(i128::from(*u)),
            _ => None,
        }
    }

    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Value::Float(f) => Some(*f),
            _ => self.whole().map(|n| n as f64),
        }
    }

    /// A whole number in the kind that has room for it; what has none is an error of `name`.
    pub(crate) fn of_whole(number: i128, name: &str) -> Result<Value<'a>, String> {
        i64::try_from(number)
            .map(Value::Int)
            .or_else(|_| u64::try_from(number).map(Value::Uint))
            .map_err(|_| format!("{name}: {number} is out of range"))
    }

    /// As Go's `fmt.Sprint` writes it; `nil` for [`Value::Nil`].
    pub(crate) fn write(&self, out: &mut String, nil: &str) {
        match self {
            Value::Nil => out.push_str(nil),
            Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Value::Int(i) => out.push_str(&i.to_string()),
            Value::Uint(u) => out.push_str(&u.to_string()),
            Value::Float(f) => out.push_str(&crate::printf::shortest(*f)),
            Value::Text(t) => out.push_str(t),
            Value::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { " " });
                    item.write(out, "<nil>");
                }
                out.push(']');
            }
            Value::Map(entries) => {
                out.push_str("map[");
                for (i, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { " " });
                    out.push_str(key);
                    out.push(':');
                    value.write(out, "<nil>");
                }
                out.push(']');
            }
            Value::Fields(fields) => {
                if let Some(text) = fields.text() {
                    return out.push_str(&text);
                }
                out.push('{');
                for (i, name) in fields.names().iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { " " });
                    fields.field(name).unwrap_or(Value::Nil).write(out, "<nil>");
                }
                out.push('}');
            }
        }
    }

    /// As a text, for functions of texts.
    pub(crate) fn to_text(&self) -> Cow<'a, str> {
        if let Value::Text(text) = self {
            return text.clone();
        }
        let mut out = String::new();
        self.write(&mut out, "<nil>");
        out.into()
    }

    /// As JSON, keys in the order that they have.
    pub(crate) fn json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Value::Nil => Json::Null,
            Value::Bool(b) => Json::Bool(*b),
            Value::Int(i) => Json::from(*i),
            Value::Uint(u) => Json::from(*u),
            Value::Float(f) => Json::from(*f),
            Value::Text(t) => Json::from(t.as_ref()),
            Value::List(items) => items.iter().map(Value::json).collect(),
            Value::Map(entries) => entries.iter().map(|(key, value)| (key.to_string(), value.json())).collect(),
            Value::Fields(fields) => {
                let whole = fields.json().and_then(|text| serde_json::from_str(&text).ok());
                let named =
                    |name: &&'static str| ((*name).to_owned(), fields.field(name).map_or(Json::Null, |v| v.json()));
                whole.unwrap_or_else(|| fields.names().iter().map(named).collect())
            }
        }
    }
}
