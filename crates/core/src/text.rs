//! Bytes of traced programs as text: always readable, always reversible.
//!
//! A byte that is not part of UTF-8 becomes `\xNN`, and so that this can be told from the same four characters in the
//! original, a backslash becomes two. [`unescape`] is the way back.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Whether JSON and our own rule leave a byte as it is.
const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut i = 0x20;
    while i < 0x7f {
        table[i] = i != b'"' as usize && i != b'\\' as usize;
        i += 1;
    }
    table
};

/// Appends `bytes` as the inside of a JSON string, by the rule above.
pub fn json(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.iter().all(|b| PLAIN[*b as usize]) {
        out.extend_from_slice(bytes);
        return;
    }
    for part in bytes.utf8_chunks() {
        for c in part.valid().chars() {
            match c {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\t' => out.extend_from_slice(b"\\t"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\0'..='\x1f' | '\x7f'..='\u{9f}' => {
                    let code = c as u32;
                    out.extend_from_slice(b"\\u00");
                    out.push(HEX[(code >> 4) as usize & 15]);
                    out.push(HEX[code as usize & 15]);
                }
                _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        for byte in part.invalid() {
            out.extend_from_slice(b"\\\\x");
            out.push(HEX[(byte >> 4) as usize]);
            out.push(HEX[(byte & 15) as usize]);
        }
    }
}

/// Appends `bytes` for a terminal, by the same rule; control characters are written `\xNN` as well, since they would
/// act on the terminal.
pub fn visible(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.iter().all(|b| PLAIN[*b as usize] || *b == b'"') {
        out.extend_from_slice(bytes);
        return;
    }
    for part in bytes.utf8_chunks() {
        for c in part.valid().chars() {
            if c == '\\' {
                out.extend_from_slice(b"\\\\");
            } else if c.is_control() || is_bidi_control(c) {
                for byte in c.encode_utf8(&mut [0; 4]).as_bytes() {
                    hex(out, *byte);
                }
            } else {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        for byte in part.invalid() {
            hex(out, *byte);
        }
    }
}

/// Characters that turn the direction of the text around them: a file name could show as another.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn hex(out: &mut Vec<u8>, byte: u8) {
    out.extend_from_slice(&[b'\\', b'x', HEX[(byte >> 4) as usize], HEX[(byte & 15) as usize]]);
}

/// The text of [`json`], before JSON's own escapes.
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for part in bytes.utf8_chunks() {
        for c in part.valid().chars() {
            out.push(c);
            if c == '\\' {
                out.push(c);
            }
        }
        for byte in part.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// The bytes that [`escape`] (or [`json`], once parsed) made `text` of; `None` for text that it never makes.
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('\\') {
            out.push(b'\\');
            rest = after;
        } else {
            let digits = rest.strip_prefix('x')?.get(..2)?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[3..];
        }
    }
    out.extend_from_slice(rest.as_bytes());
    Some(out)
}

/// An absolute path without `.`, `..` and doubled slashes, as its letters say: links are not known here.
pub fn normal_path(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut normal = Vec::with_capacity(path.len());
    for part in &parts {
        normal.push(b'/');
        normal.extend_from_slice(part);
    }
    if parts.is_empty() {
        normal.push(b'/');
    }
    normal
}

/// A path as files of /proc write it: `\` and three octal digits stand for those bytes that the file escapes.
pub fn unescape_octal(text: &[u8], escapes: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(|byte| escapes(*byte));
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[3..] } else { after };
    }
    out
}
