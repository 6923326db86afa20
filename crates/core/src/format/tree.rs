//! Values that have parts, as text. Fields that a struct lacks are left out.

use std::io::Write;

use super::push_int;
use crate::names;
use crate::text;
use crate::tree::{Node, Tree};

/// Appends a value as JSON. `by_name`: numbers by their names, where they have any.
pub fn json(out: &mut Vec<u8>, tree: &Tree, by_name: bool) {
    match tree.node() {
        Node::Null => out.extend_from_slice(b"null"),
        Node::Number(number) => match tree.family().filter(|_| by_name) {
            Some(family) => {
                out.push(b'"');
                names::write(out, family, number as i64);
                out.push(b'"');
            }
            None => push_int(out, number),
        },
        Node::Text(bytes) => quoted(out, bytes),
        Node::Address(address) => {
            // a Vec takes all
            let _ = write!(out, "\"{address}\"");
        }
        Node::Struct(parts) => {
            out.push(b'{');
            let fields = parts.fields().filter(|(_, value)| value.node() != Node::Null);
            for (i, (field, value)) in fields.enumerate() {
                out.extend_from_slice(if i == 0 { b"\"" } else { b",\"" });
                out.extend_from_slice(field.name.as_bytes());
                out.extend_from_slice(b"\":");
                json(out, &value, by_name);
            }
            out.push(b'}');
        }
        Node::List(parts) => {
            out.push(b'[');
            for (i, item) in parts.items().enumerate() {
                out.extend_from_slice(if i == 0 { b"" } else { b"," });
                json(out, &item, by_name);
            }
            out.push(b']');
        }
        Node::Map(parts) => {
            out.push(b'{');
            for (i, (key, value)) in parts.entries().enumerate() {
                out.extend_from_slice(if i == 0 { b"" } else { b"," });
                quoted(out, key);
                out.push(b':');
                json(out, &value, by_name);
            }
            out.push(b'}');
        }
    }
}

fn quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    text::json(out, bytes);
    out.push(b'"');
}

/// Appends a value for a person: `{srcPort: 80, headers: {Host: [example.org]}}`.
pub fn visible(out: &mut Vec<u8>, tree: &Tree) {
    match tree.node() {
        Node::Null => out.extend_from_slice(b"null"),
        Node::Number(number) => match tree.family() {
            Some(family) => names::write(out, family, number as i64),
            None => push_int(out, number),
        },
        Node::Text(bytes) => text::visible(out, bytes),
        Node::Address(address) => {
            // a Vec takes all
            let _ = write!(out, "{address}");
        }
        Node::Struct(parts) => {
            let fields = parts.fields().filter(|(_, value)| value.node() != Node::Null);
            listed(out, *b"{}", fields, |out, (field, value)| {
                out.extend_from_slice(field.name.as_bytes());
                out.extend_from_slice(b": ");
                visible(out, &value);
            });
        }
        Node::List(parts) => listed(out, *b"[]", parts.items(), |out, item| visible(out, &item)),
        Node::Map(parts) => listed(out, *b"{}", parts.entries(), |out, (key, value)| {
            text::visible(out, key);
            out.extend_from_slice(b": ");
            visible(out, &value);
        }),
    }
}

fn listed<T>(
    out: &mut Vec<u8>,
    [open, close]: [u8; 2],
    items: impl Iterator<Item = T>,
    mut put: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(open);
    for (i, item) in items.enumerate() {
        out.extend_from_slice(if i == 0 { b"" } else { b", " });
        put(out, item);
    }
    out.push(close);
}
