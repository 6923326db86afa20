//! What arguments that have parts are made of: `shapes.yaml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Family;

/// Named parts, in order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    pub name: String,
    pub fields: Vec<Field>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    pub name: String,
    /// `number`, `text`, `address`, a shape, `[]` and a type, or `map` and the type of what texts lead to.
    #[serde(rename = "type")]
    pub of: String,
    /// Names of a number's values.
    #[serde(default)]
    pub family: Option<String>,
}

/// Whether a type is made of shapes: an argument of such a type holds a tree.
pub fn is_shape(of: &str, shapes: &[Shape]) -> bool {
    shapes.iter().any(|shape| shape.name == of.trim_start_matches("[]"))
}

/// A type as `tracee-core` spells it; `None` for one that there is not.
pub fn emit_type(of: &str, family: Option<u16>, shapes: &[Shape]) -> Option<String> {
    if let Some(item) = of.strip_prefix("[]") {
        return Some(format!("Type::List(&{})", emit_type(item, family, shapes)?));
    }
    if let Some(item) = of.strip_prefix("map ") {
        return Some(format!("Type::Map(&{})", emit_type(item, family, shapes)?));
    }
    Some(match of {
        "number" => format!("Type::Number({family:?})"),
        "text" => "Type::Text".into(),
        "address" => "Type::Address".into(),
        name => format!("Type::Struct({})", shapes.iter().position(|shape| shape.name == name)?),
    })
}

/// The table `SHAPES`. `number`: the place of a family.
pub fn emit(shapes: &[Shape], number: impl Fn(&String) -> usize) -> String {
    let shapes_text = shapes.iter().map(|shape| {
        let fields = shape.fields.iter().map(|field| {
            let family = field.family.as_ref().map(|family| number(family) as u16);
            let of = emit_type(&field.of, family, shapes).expect("the catalogue was checked");
            format!("Field {{ name: {:?}, of: {of} }}", field.name)
        });
        format!("Shape {{ name: {:?}, fields: &[{}] }},\n", shape.name, fields.collect::<Vec<_>>().join(", "))
    });
    format!("pub static SHAPES: [Shape; {}] = [\n{}];\n\n", shapes.len(), shapes_text.collect::<String>())
}

/// What must hold of shapes.
///
/// # Errors
/// One line for the first thing that is wrong.
pub fn check(shapes: &[Shape], families: &BTreeMap<String, Family>) -> Result<(), String> {
    for (at, shape) in shapes.iter().enumerate() {
        if shapes[..at].iter().any(|other| other.name == shape.name) {
            return Err(format!("shape {} is there twice", shape.name));
        }
        for field in &shape.fields {
            let fail = |what: String| Err(format!("shape {}, field {}: {what}", shape.name, field.name));
            if emit_type(&field.of, None, shapes).is_none() {
                return fail(format!("unknown type {}", field.of));
            }
            if let Some(family) = field.family.as_ref().filter(|family| !families.contains_key(*family)) {
                return fail(format!("unknown family {family}"));
            }
        }
        if holds(shape, shape, shapes, shapes.len()) {
            return Err(format!("shape {} holds itself", shape.name));
        }
    }
    Ok(())
}

/// Whether `outer` has `inner` in it, `depth` deep at most. What reads trees goes as deep as their types.
fn holds(outer: &Shape, inner: &Shape, shapes: &[Shape], depth: usize) -> bool {
    outer.fields.iter().any(|field| {
        let name = field.of.trim_start_matches("map ").trim_start_matches("[]");
        let part = shapes.iter().find(|shape| shape.name == name);
        part.is_some_and(|part| part.name == inner.name || depth > 0 && holds(part, inner, shapes, depth - 1))
    })
}
