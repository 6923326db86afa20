//! Arithmetic. Whole numbers are 64 bits wide; what goes beyond is an error.

use super::{whole, Function, Returned, ANY};
use crate::value::Value;

pub const TABLE: &[Function] = &[
    Function::new("add", 1, ANY, |a| fold("add", a, i64::checked_add)),
    Function::new("add1", 1, 1, |a| fold("add1", &[a[0].clone(), Value::Int(1)], i64::checked_add)),
    Function::new("sub", 2, 2, |a| fold("sub", a, i64::checked_sub)),
    Function::new("mul", 1, ANY, |a| fold("mul", a, i64::checked_mul)),
    Function::new("div", 2, 2, |a| fold("div", a, i64::checked_div)),
    Function::new("mod", 2, 2, |a| fold("mod", a, i64::checked_rem)),
    Function::new("max", 1, ANY, |a| fold("max", a, |a, b| Some(a.max(b)))),
    Function::new("min", 1, ANY, |a| fold("min", a, |a, b| Some(a.min(b)))),
    Function::new("addf", 1, ANY, |a| fold_float("addf", a, |a, b| a + b)),
    Function::new("subf", 1, ANY, |a| fold_float("subf", a, |a, b| a - b)),
    Function::new("mulf", 1, ANY, |a| fold_float("mulf", a, |a, b| a * b)),
    Function::new("divf", 1, ANY, |a| fold_float("divf", a, |a, b| a / b)),
    Function::new("int", 1, 1, |a| whole(&a[0], "int").map(Value::Int)),
    Function::new("int64", 1, 1, |a| whole(&a[0], "int64").map(Value::Int)),
    Function::new("atoi", 1, 1, |a| whole(&a[0], "atoi").map(Value::Int)),
    Function::new("float64", 1, 1, |a| float(&a[0], "float64").map(Value::Float)),
    Function::new("floor", 1, 1, |a| float(&a[0], "floor").map(f64::floor).map(Value::Float)),
    Function::new("ceil", 1, 1, |a| float(&a[0], "ceil").map(f64::ceil).map(Value::Float)),
    Function::new("round", 2, 2, |a| {
        let scale = 10f64.powi(whole(&a[1], "round")?.clamp(-300, 300) as i32);
        Ok(Value::Float((float(&a[0], "round")? * scale).round() / scale))
    }),
];

fn fold<'a>(name: &str, a: &[Value<'a>], step: fn(i64, i64) -> Option<i64>) -> Returned<'a> {
    let mut sum = whole(&a[0], name)?;
    for value in &a[1..] {
        let next = whole(value, name)?;
        sum = step(sum, next).ok_or_else(|| format!("{name}: {sum} and {next} have no result"))?;
    }
    Ok(Value::Int(sum))
}

fn fold_float<'a>(name: &str, a: &[Value<'a>], step: fn(f64, f64) -> f64) -> Returned<'a> {
    let mut sum = float(&a[0], name)?;
    for value in &a[1..] {
        sum = step(sum, float(value, name)?);
    }
    Ok(Value::Float(sum))
}

fn float(value: &Value, name: &str) -> Result<f64, String> {
    let parsed = || value.to_text().trim().parse().ok();
    value.number().or_else(parsed).ok_or_else(|| format!("{name}: a {} is no number", value.kind()))
}
