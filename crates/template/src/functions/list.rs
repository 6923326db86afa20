//! Lists and maps.

use super::compare::{equal, order};
use super::{list, whole, Function, Returned, ANY};
use crate::value::Value;

/// Numbers that `until` makes at most.
const MOST: i64 = 100_000;

pub const TABLE: &[Function] = &[
    Function::new("list", 0, ANY, |a| Ok(Value::list(a.to_vec()))),
    Function::new("tuple", 0, ANY, |a| Ok(Value::list(a.to_vec()))),
    Function::new("first", 1, 1, |a| Ok(list(&a[0], "first")?.first().cloned().unwrap_or(Value::Nil))),
    Function::new("last", 1, 1, |a| Ok(list(&a[0], "last")?.last().cloned().unwrap_or(Value::Nil))),
    Function::new("rest", 1, 1, |a| Ok(Value::list(list(&a[0], "rest")?.iter().skip(1).cloned().collect()))),
    Function::new("initial", 1, 1, |a| {
        let items = list(&a[0], "initial")?;
        Ok(Value::list(items[..items.len().saturating_sub(1)].to_vec()))
    }),
    Function::new("append", 2, 2, |a| Ok(Value::list(list(&a[0], "append")?.iter().chain([&a[1]]).cloned().collect()))),
    Function::new("prepend", 2, 2, |a| {
        Ok(Value::list([&a[1]].into_iter().chain(list(&a[0], "prepend")?.iter()).cloned().collect()))
    }),
    Function::new("concat", 0, ANY, |a| {
        let lists = a.iter().map(|value| list(value, "concat")).collect::<Result<Vec<_>, _>>()?;
        Ok(Value::list(lists.iter().flat_map(|items| items.iter().cloned()).collect()))
    }),
    Function::new("reverse", 1, 1, |a| Ok(Value::list(list(&a[0], "reverse")?.iter().rev().cloned().collect()))),
    Function::new("uniq", 1, 1, |a| {
        let mut kept: Vec<Value> = Vec::new();
        for item in list(&a[0], "uniq")?.iter() {
            if !kept.iter().any(|other| equal(other, item)) {
                kept.push(item.clone());
            }
        }
        Ok(Value::list(kept))
    }),
    Function::new("without", 1, ANY, |a| {
        let items = list(&a[0], "without")?;
        let kept = items.iter().filter(|item| !a[1..].iter().any(|other| equal(other, item)));
        Ok(Value::list(kept.cloned().collect()))
    }),
    Function::new("compact", 1, 1, |a| {
        Ok(Value::list(list(&a[0], "compact")?.iter().filter(|item| item.truth()).cloned().collect()))
    }),
    Function::new("has", 2, 2, |a| Ok(Value::Bool(list(&a[1], "has")?.iter().any(|item| equal(item, &a[0]))))),
    Function::new("sortAlpha", 1, 1, |a| {
        let mut texts: Vec<_> = list(&a[0], "sortAlpha")?.iter().map(|item| Value::Text(item.to_text())).collect();
        texts.sort_by(|a, b| order(a, b).unwrap_or(std::cmp::Ordering::Equal));
        Ok(Value::list(texts))
    }),
    Function::new("until", 1, 1, |a| match whole(&a[0], "until")? {
        count if count > MOST => Err(format!("until: more than {MOST} numbers")),
        count => Ok(Value::list((0..count).map(Value::Int).collect())),
    }),
    Function::new("dict", 0, ANY, dict),
    Function::new("get", 2, 2, |a| Ok(get(&a[0], &a[1])?.unwrap_or_else(|| Value::text("")))),
    Function::new("hasKey", 2, 2, |a| Ok(Value::Bool(get(&a[0], &a[1])?.is_some()))),
    Function::new("keys", 1, ANY, |a| {
        let entries = a.iter().map(entries).collect::<Result<Vec<_>, _>>()?;
        Ok(Value::list(entries.into_iter().flatten().map(|(key, _)| key).collect()))
    }),
    Function::new("values", 1, 1, |a| Ok(Value::list(entries(&a[0])?.into_iter().map(|(_, value)| value).collect()))),
];

fn dict<'a>(a: &[Value<'a>]) -> Returned<'a> {
    let pairs = a.chunks(2).map(|pair| (pair[0].to_text(), pair.get(1).cloned().unwrap_or_else(|| Value::text(""))));
    Ok(Value::map(pairs))
}

fn get<'a>(from: &Value<'a>, key: &Value<'a>) -> Result<Option<Value<'a>>, String> {
    let key = key.to_text();
    match from {
        Value::Map(entries) => Ok(entries.iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone())),
        Value::Fields(fields) => Ok(fields.field(&key)),
        Value::Nil => Ok(None),
        other => Err(format!("a {} has no keys", other.kind())),
    }
}

fn entries<'a>(of: &Value<'a>) -> Result<Vec<(Value<'a>, Value<'a>)>, String> {
    match of {
        Value::Map(entries) => Ok(entries.iter().map(|(k, v)| (Value::Text(k.clone()), v.clone())).collect()),
        Value::Nil => Ok(Vec::new()),
        other => Err(format!("a {} has no keys", other.kind())),
    }
}
