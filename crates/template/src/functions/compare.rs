//! `eq` and its kin. Numbers compare by value, whatever their kinds are.

use std::cmp::Ordering;

use super::{Function, Returned, ANY};
use crate::value::Value;

pub const TABLE: &[Function] = &[
    Function::new("eq", 2, ANY, |a| Ok(Value::Bool(a[1..].iter().any(|other| equal(&a[0], other))))),
    Function::new("ne", 2, 2, |a| Ok(Value::Bool(!equal(&a[0], &a[1])))),
    Function::new("lt", 2, 2, |a| ordered("lt", a, Ordering::is_lt)),
    Function::new("le", 2, 2, |a| ordered("le", a, Ordering::is_le)),
    Function::new("gt", 2, 2, |a| ordered("gt", a, Ordering::is_gt)),
    Function::new("ge", 2, 2, |a| ordered("ge", a, Ordering::is_ge)),
];

/// Values of different kinds are not equal.
pub fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Text(a), Value::Text(b)) => a == b,
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| equal(a, b)),
        (Value::Fields(fields), Value::Text(b)) => fields.text().is_some_and(|a| a == *b),
        (Value::Text(_), Value::Fields(_)) => equal(b, a),
        _ => order(a, b).is_some_and(Ordering::is_eq),
    }
}

/// Of two numbers, or two texts.
pub fn order(a: &Value, b: &Value) -> Option<Ordering> {
    if let (Value::Text(a), Value::Text(b)) = (a, b) {
        return Some(a.cmp(b));
    }
    match a.whole().zip(b.whole()) {
        Some((a, b)) => Some(a.cmp(&b)),
        None => a.number()?.partial_cmp(&b.number()?),
    }
}

fn ordered<'a>(name: &str, a: &[Value<'a>], holds: fn(Ordering) -> bool) -> Returned<'a> {
    let order = order(&a[0], &a[1]);
    let order = order.ok_or_else(|| format!("{name}: a {} and a {} have no order", a[0].kind(), a[1].kind()))?;
    Ok(Value::Bool(holds(order)))
}
