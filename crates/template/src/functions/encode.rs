//! Other forms of a value: JSON, base64, a digest.

use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};

use super::{text, Function, Returned};
use crate::value::Value;

pub const TABLE: &[Function] = &[
    Function::new("json", 1, 1, |a| text(json(&a[0]))),
    // as Go's library does, for who puts it into HTML
    Function::new("toJson", 1, 1, |a| {
        text(json(&a[0]).replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"))
    }),
    Function::new("toRawJson", 1, 1, |a| text(json(&a[0]))),
    Function::new("toPrettyJson", 1, 1, pretty),
    Function::new("b64enc", 1, 1, |a| text(BASE64.encode(a[0].to_text().as_bytes()))),
    Function::new("b64dec", 1, 1, |a| {
        let decoded = BASE64.decode(a[0].to_text().as_bytes()).map_err(|e| format!("b64dec: {e}"))?;
        text(String::from_utf8_lossy(&decoded).into_owned())
    }),
    Function::new("sha256sum", 1, 1, |a| text(HEXLOWER.encode(&Sha256::digest(a[0].to_text().as_bytes())))),
];

/// In one line.
fn json(value: &Value) -> String {
    if let Value::Fields(fields) = value {
        if let Some(text) = fields.json() {
            return text;
        }
    }
    value.json().to_string()
}

fn pretty<'a>(a: &[Value<'a>]) -> Returned<'a> {
    text(serde_json::to_string_pretty(&a[0].json()).map_err(|e| format!("toPrettyJson: {e}"))?)
}
