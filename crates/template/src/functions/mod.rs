//! The functions of templates: those that Go has, and those of its users' usual library. A file a concern, each with a
//! table.

mod basic;
mod compare;
mod date;
mod encode;
mod list;
mod number;
mod text;

use std::borrow::Cow;
use std::rc::Rc;

use crate::value::Value;

pub type Returned<'a> = Result<Value<'a>, String>;

/// A function, under its name.
#[derive(Debug)]
pub struct Function {
    pub name: &'static str,
    /// How many arguments it takes, at least and at most.
    pub least: usize,
    pub most: usize,
    pub call: Call,
}

#[derive(Debug, Clone, Copy)]
pub enum Call {
    /// On its arguments; the message where it refuses them.
    Plain(for<'a> fn(&[Value<'a>]) -> Returned<'a>),
    /// Its first argument whose truth is this, or the last one; those after it are not looked at.
    Shortcut(bool),
}

impl Function {
    const fn new(
        name: &'static str,
        least: usize,
        most: usize,
        call: for<'a> fn(&[Value<'a>]) -> Returned<'a>,
    ) -> Function {
        Function { name, least, most, call: Call::Plain(call) }
    }

    /// What is wrong with `count` arguments.
    pub fn wants(&self, count: usize) -> String {
        let Function { name, least, most, .. } = self;
        let wanted = match (least, most) {
            (least, &ANY) => format!("{least} or more"),
            (least, most) if least == most => least.to_string(),
            (least, most) => format!("{least} to {most}"),
        };
        format!("{name} takes {wanted} arguments, and has {count}")
    }
}

/// As many arguments as one likes.
const ANY: usize = usize::MAX;

const TABLES: [&[Function]; 7] =
    [basic::TABLE, compare::TABLE, date::TABLE, encode::TABLE, list::TABLE, number::TABLE, text::TABLE];

fn all() -> impl Iterator<Item = &'static Function> {
    TABLES.iter().flat_map(|table| table.iter())
}

pub fn by_name(name: &str) -> Option<&'static Function> {
    all().find(|function| function.name == name)
}

pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|function| function.name)
}

fn text<'a>(text: impl Into<Cow<'a, str>>) -> Returned<'a> {
    Ok(Value::Text(text.into()))
}

/// A whole number that counts or places something.
fn whole(value: &Value, name: &str) -> Result<i64, String> {
    let number = value.whole().or_else(|| value.number().map(|f| f as i128));
    let parsed = || value.to_text().trim().parse::<i128>().ok();
    let number = number.or_else(parsed).ok_or_else(|| format!("{name}: a {} is no number", value.kind()))?;
    i64::try_from(number).map_err(|_| format!("{name}: {number} is out of range"))
}

fn list<'a>(value: &Value<'a>, name: &str) -> Result<Rc<[Value<'a>]>, String> {
    match value {
        Value::List(items) => Ok(items.clone()),
        Value::Nil => Ok(Rc::new([])),
        other => Err(format!("{name}: a {} is no list", other.kind())),
    }
}
