//! From text to tokens, as Go's lexer makes them.

use crate::{Error, Result};

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// What stands between actions.
    Text(String),
    /// The `{{` of an action, and its `}}`.
    Open,
    Close,
    /// A function, a keyword, `true`, `nil`, ...
    Word(String),
    /// `.Name`
    Field(String),
    Dot,
    /// `$` or `$name`, with the `$`.
    Variable(String),
    Whole(i128),
    Float(f64),
    String(String),
    Pipe,
    LeftParen,
    RightParen,
    Comma,
    Declare,
    Assign,
    Space,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Located {
    pub token: Token,
    pub line: usize,
}

/// All tokens of a template.
pub fn lex(text: &str) -> Result<Vec<Located>> {
    let mut lexer = Lexer { text, at: 0, line: 1, tokens: Vec::new() };
    lexer.outside()?;
    Ok(lexer.tokens)
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    tokens: Vec<Located>,
}

const TRIMMED: [char; 4] = [' ', '\t', '\r', '\n'];

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(Error { line: self.line, message: message.into() })
    }

    fn push(&mut self, token: Token) {
        self.tokens.push(Located { token, line: self.line });
    }

    fn skip(&mut self, bytes: usize) {
        self.line += self.rest()[..bytes].matches('\n').count();
        self.at += bytes;
    }

    /// Takes as many characters as `wanted`.
    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.skip(end);
        &rest[..end]
    }

    fn outside(&mut self) -> Result<()> {
        let mut trim = false;
        loop {
            let rest = self.rest();
            let end = rest.find("{{");
            let mut text = &rest[..end.unwrap_or(rest.len())];
            let skipped = text.len();
            let after = end.map_or("", |end| &rest[end + 2..]);
            let trims_before = after.starts_with('-') && after[1..].starts_with(TRIMMED);
            if trims_before {
                text = text.trim_end_matches(TRIMMED);
            }
            if trim {
                text = text.trim_start_matches(TRIMMED);
            }
            if !text.is_empty() {
                self.push(Token::Text(text.to_owned()));
            }
            self.skip(skipped);
            if end.is_none() {
                return Ok(());
            }
            self.skip(if trims_before { 3 } else { 2 });
            trim = self.action()?;
        }
    }

    /// After `{{`; whether what follows the action loses its space.
    fn action(&mut self) -> Result<bool> {
        let rest = self.rest();
        if rest.trim_start_matches(TRIMMED).starts_with("/*") {
            return self.comment();
        }
        let begun = self.line;
        self.push(Token::Open);
        loop {
            let rest = self.rest();
            let space = self.take(|c| TRIMMED.contains(&c));
            if !space.is_empty() && self.rest().starts_with("-}}") {
                self.push(Token::Close);
                self.skip(3);
                return Ok(true);
            }
            if rest.starts_with("}}") {
                self.push(Token::Close);
                self.skip(2);
                return Ok(false);
            }
            if !space.is_empty() {
                self.push(Token::Space);
                continue;
            }
            if rest.is_empty() {
                return Err(Error { line: begun, message: "this action has no }}".into() });
            }
            self.token()?;
        }
    }

    fn comment(&mut self) -> Result<bool> {
        let Some(end) = self.rest().find("*/") else { return self.error("this comment has no */") };
        self.skip(end + 2);
        let spaced = !self.take(|c| TRIMMED.contains(&c)).is_empty();
        let trims = spaced && self.rest().starts_with("-}}");
        if !trims && !self.rest().starts_with("}}") {
            return self.error("a comment ends with its action: */}}");
        }
        self.skip(if trims { 3 } else { 2 });
        Ok(trims)
    }

    fn token(&mut self) -> Result<()> {
        let rest = self.rest();
        let mut chars = rest.chars();
        let (first, second) = (chars.next().unwrap_or('\0'), chars.next().unwrap_or('\0'));
        match first {
            '|' => self.single(Token::Pipe),
            '(' => self.single(Token::LeftParen),
            ')' => self.single(Token::RightParen),
            ',' => self.single(Token::Comma),
            '=' => self.single(Token::Assign),
            ':' if second == '=' => {
                self.push(Token::Declare);
                self.skip(2);
            }
            '"' | '`' | '\'' => return self.quoted(first),
            '$' => {
                self.skip(1);
                let name = self.take(is_word);
                self.push(Token::Variable(format!("${name}")));
            }
            '.' if is_word(second) && !second.is_ascii_digit() => {
                self.skip(1);
                let name = self.take(is_word).to_owned();
                self.push(Token::Field(name));
            }
            '.' if !second.is_ascii_digit() => self.single(Token::Dot),
            '+' | '-' | '.' | '0'..='9' => return self.number(),
            c if is_word(c) => {
                let word = self.take(is_word).to_owned();
                self.push(Token::Word(word));
            }
            c => return self.error(format!("{c:?} does not belong into an action")),
        }
        Ok(())
    }

    fn single(&mut self, token: Token) {
        self.push(token);
        self.skip(1);
    }

    fn number(&mut self) -> Result<()> {
        let rest = self.rest();
        let hex = rest.trim_start_matches(['+', '-']).to_ascii_lowercase().starts_with("0x");
        let mut end = 1;
        for (at, c) in rest.char_indices().skip(1) {
            let before = rest.as_bytes()[at - 1].to_ascii_lowercase();
            let sign = matches!(c, '+' | '-') && (before == b'e' && !hex || before == b'p');
            if !(is_word(c) || c == '.' || sign) {
                break;
            }
            end = at + c.len_utf8();
        }
        let word = &rest[..end];
        let Some(token) = number(word) else { return self.error(format!("\"{word}\" is no number")) };
        self.push(token);
        self.skip(end);
        Ok(())
    }

    /// A string, or a character, which is a number.
    fn quoted(&mut self, quote: char) -> Result<()> {
        let inside = &self.rest()[1..];
        let mut end = None;
        let mut escaped = false;
        for (at, c) in inside.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' if quote != '`' => escaped = true,
                '\n' if quote != '`' => break,
                c if c == quote => {
                    end = Some(at);
                    break;
                }
                _ => {}
            }
        }
        let Some(end) = end else { return self.error(format!("this string has no closing {quote}")) };
        let raw = &inside[..end];
        let text = if quote == '`' { raw.replace('\r', "") } else { self.unquote(raw)? };
        let token = match quote {
            '\'' => {
                let mut chars = text.chars();
                match (chars.next(), chars.next()) {
                    (Some(c), None) => Token::Whole(i128::from(u32::from(c))),
                    _ => return self.error(format!("'{raw}' is not one character")),
                }
            }
            _ => Token::String(text),
        };
        self.push(token);
        self.skip(end + 2);
        Ok(())
    }

    fn unquote(&self, raw: &str) -> Result<String> {
        let mut out = Vec::new();
        let mut rest = raw;
        while let Some(at) = rest.find('\\') {
            out.extend_from_slice(&rest.as_bytes()[..at]);
            rest = &rest[at + 1..];
            let Some(kind) = rest.chars().next() else { break };
            rest = &rest[kind.len_utf8()..];
            let mut code = |digits: usize, radix: u32| {
                let number = rest.get(..digits).and_then(|text| u32::from_str_radix(text, radix).ok());
                rest = rest.get(digits..).unwrap_or_default();
                number
            };
            let simple = match kind {
                'a' => Some(7),
                'b' => Some(8),
                'f' => Some(12),
                'n' => Some(b'\n'),
                'r' => Some(b'\r'),
                't' => Some(b'\t'),
                'v' => Some(11),
                '\\' | '"' | '\'' => Some(kind as u8),
                'x' => code(2, 16).and_then(|n| u8::try_from(n).ok()),
                _ => None,
            };
            let character = match kind {
                'u' => code(4, 16).and_then(char::from_u32),
                'U' => code(8, 16).and_then(char::from_u32),
                _ => None,
            };
            match (simple, character) {
                (Some(byte), _) => out.push(byte),
                (None, Some(c)) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                _ => return self.error(format!("\\{kind} is no escape of a string")),
            }
        }
        out.extend_from_slice(rest.as_bytes());
        String::from_utf8(out).or_else(|_| self.error("this string is not UTF-8"))
    }
}

fn number(word: &str) -> Option<Token> {
    let plain = word.replace('_', "");
    let (negative, digits) = match plain.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let lower = digits.to_ascii_lowercase();
    let radix = |prefix: &str, radix| lower.strip_prefix(prefix).map(|text| i128::from_str_radix(text, radix).ok());
    let octal = lower.len() > 1 && lower.starts_with('0') && lower.bytes().all(|b| b.is_ascii_digit());
    let whole = radix("0x", 16).or_else(|| radix("0b", 2)).or_else(|| radix("0o", 8)).unwrap_or_else(|| {
        if octal {
            i128::from_str_radix(&lower, 8).ok()
        } else {
            lower.parse().ok()
        }
    });
    let signed = |number: i128| if negative { -number } else { number };
    let in_range = |number: &i128| i64::try_from(*number).is_ok() || u64::try_from(*number).is_ok();
    if let Some(whole) = whole {
        return Some(signed(whole)).filter(in_range).map(Token::Whole);
    }
    let starts = lower.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let float: Option<f64> = lower.parse().ok().filter(|_| starts);
    float.map(|f| Token::Float(if negative { -f } else { f }))
}
