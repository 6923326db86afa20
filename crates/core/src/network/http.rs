//! The heads of HTTP/1 messages.

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Status};

use crate::tree::Writer;

/// Header lines of a head; what has more is told without them.
const MOST_HEADERS: usize = 128;

/// What one message says before its body.
pub struct Message<'a> {
    pub line: Line<'a>,
    /// The 1 of `HTTP/1.1`.
    minor: u8,
    headers: &'a [Header<'a>],
    /// The head had no end, or more in it than is read.
    pub cut: bool,
}

pub enum Line<'a> {
    Request { method: &'a str, target: &'a str },
    Response { status: u16, reason: &'a str },
}

/// What comes after a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// So many bytes.
    Length(u64),
    Chunked,
    /// All that comes, or another protocol.
    Rest,
}

/// What an answer depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Head,
    Connect,
    Other,
}

/// Whether bytes may begin a head.
#[derive(Debug, PartialEq, Eq)]
pub enum Start {
    No,
    /// There are too few to tell.
    Perhaps,
    Yes,
}

/// Whether a head begins here: with `HTTP/1.`, or a word in capitals and a target. Cheap: every segment of a connection
/// that is not known to speak HTTP is asked.
pub fn start(bytes: &[u8]) -> Start {
    const VERSION: &[u8] = b"HTTP/1.";
    let shown = bytes.len().min(VERSION.len());
    if bytes[..shown] == VERSION[..shown] {
        return if shown == VERSION.len() { Start::Yes } else { Start::Perhaps };
    }
    let word = bytes.iter().take(24).take_while(|byte| byte.is_ascii_uppercase() || **byte == b'-').count();
    match bytes.get(word) {
        None if word < 24 => Start::Perhaps,
        Some(b' ') if word >= 3 => match bytes.get(word + 1) {
            None => Start::Perhaps,
            Some(b'/' | b'*' | b'h' | b'H') => Start::Yes,
            // CONNECT names a host
            Some(byte) if word == 7 && byte.is_ascii_alphanumeric() => Start::Yes,
            Some(_) => Start::No,
        },
        _ => Start::No,
    }
}

/// The length of the head at the beginning of `bytes`, if its end is there. `from`: no end is before this.
pub fn head_length(bytes: &[u8], from: usize) -> Option<usize> {
    let from = from.saturating_sub(3);
    let mut newlines = bytes[from..].iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| from + at);
    newlines.find_map(|at| match bytes.get(at + 1..)? {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

/// Reads a head and hands it on; `None` where it is none. `cut`: its end is missing.
pub fn read<T>(head: &[u8], cut: bool, take: impl FnOnce(&Message) -> T) -> Option<T> {
    let mut headers = [const { MaybeUninit::uninit() }; MOST_HEADERS];
    let ended;
    let head = if cut {
        // as far as its lines are whole
        let lines = head.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        ended = [&head[..lines], b"\r\n"].concat();
        &ended
    } else {
        head
    };
    if head.starts_with(b"HTTP/") {
        let mut response = httparse::Response::new(&mut []);
        let result = lenient().parse_response_with_uninit_headers(&mut response, head, &mut headers);
        let cut = is_cut(result, cut)?;
        let line = Line::Response { status: response.code?, reason: response.reason.unwrap_or_default() };
        Some(take(&Message { line, minor: response.version?, headers: response.headers, cut }))
    } else {
        let mut request = httparse::Request::new(&mut []);
        let result = lenient().parse_request_with_uninit_headers(&mut request, head, &mut headers);
        let cut = is_cut(result, cut)?;
        let line = Line::Request { method: request.method?, target: request.path? };
        Some(take(&Message { line, minor: request.version?, headers: request.headers, cut }))
    }
}

/// A line that servers may take or not is left out: it does not hide the others.
fn lenient() -> ParserConfig {
    let mut config = ParserConfig::default();
    config
        .ignore_invalid_headers_in_requests(true)
        .ignore_invalid_headers_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_multiple_spaces_in_request_line_delimiters(true)
        .allow_multiple_spaces_in_response_status_delimiters(true);
    config
}

fn is_cut(result: httparse::Result<usize>, cut: bool) -> Option<bool> {
    match result {
        Ok(Status::Complete(_)) => Some(cut),
        // the first line was read
        Err(httparse::Error::TooManyHeaders) => Some(true),
        _ => None,
    }
}

impl<'a> Message<'a> {
    fn values(&self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    }

    pub fn method(&self) -> Option<Method> {
        match self.line {
            Line::Request { method: "HEAD", .. } => Some(Method::Head),
            Line::Request { method: "CONNECT", .. } => Some(Method::Connect),
            Line::Request { .. } => Some(Method::Other),
            Line::Response { .. } => None,
        }
    }

    /// An answer that another one follows.
    pub fn is_interim(&self) -> bool {
        matches!(self.line, Line::Response { status: 100 | 102..=199, .. })
    }

    /// What follows. `asked`: by what an answer was asked for, where known.
    pub fn body(&self, asked: Option<Method>) -> Body {
        if let Line::Response { status, .. } = self.line {
            match (status, asked) {
                (101, _) | (200..=299, Some(Method::Connect)) => return Body::Rest,
                (100..=199 | 204 | 304, _) | (_, Some(Method::Head)) => return Body::Length(0),
                _ => {}
            }
        }
        if self.values("transfer-encoding").any(|value| value.to_ascii_lowercase().ends_with(b"chunked")) {
            return Body::Chunked;
        }
        match (self.stated_length(), &self.line) {
            (Some(Ok(length)), _) => Body::Length(length),
            (None, Line::Request { .. }) => Body::Length(0),
            // lengths that contradict each other: whatever is taken for the body, someone takes another part
            (Some(Err(())), _) | (None, Line::Response { .. }) => Body::Rest,
        }
    }

    fn stated_length(&self) -> Option<Result<u64, ()>> {
        let mut values = self
            .values("content-length")
            .map(|value| std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok()).ok_or(()));
        let first = values.next()?;
        Some(if values.all(|other| other == first) { first } else { Err(()) })
    }

    /// As users see it: -1 where it is not known.
    fn content_length(&self) -> i64 {
        let chunked = self.values("transfer-encoding").next().is_some();
        match (self.stated_length(), &self.line) {
            (Some(Ok(length)), _) if !chunked => i64::try_from(length).unwrap_or(-1),
            (None, Line::Request { .. }) if !chunked => 0,
            _ => -1,
        }
    }

    fn protocol(&self, out: &mut Writer) {
        out.text([b"HTTP/1.", &[b'0' + self.minor][..]].concat());
    }

    /// Host, path and query of a request.
    fn target(&self) -> (&'a [u8], &'a str, Option<&'a str>) {
        let Line::Request { method, target } = self.line else { return (b"", "", None) };
        let host = self.values("host").next().unwrap_or_default();
        if method == "CONNECT" {
            return (target.as_bytes(), "", None);
        }
        let after_scheme = target.find("://").filter(|_| !target.starts_with('/')).map(|at| &target[at + 3..]);
        let (host, path) = match after_scheme {
            None => (host, target),
            Some(rest) => {
                let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
                (host.as_bytes(), if path.is_empty() { "/" } else { path })
            }
        };
        match path.split_once('?') {
            Some((path, query)) => (host, path, Some(query)),
            None => (host, path, None),
        }
    }

    /// `host`, `uri_path` and `query`.
    fn put_target(&self, out: &mut Writer) {
        let (host, path, query) = self.target();
        out.text(host);
        out.text(path);
        match query {
            Some(query) => out.text(query),
            None => out.null(),
        }
    }

    fn put_status(&self, out: &mut Writer) {
        if let Line::Response { status, reason } = self.line {
            out.text(format!("{status} {reason}"));
            out.number(status);
        } else {
            out.text("");
            out.number(0_u64);
        }
    }

    /// Each name once, as is usual in capitals, with its values in order. The host of a request stands elsewhere.
    fn put_headers(&self, out: &mut Writer) {
        let is_request = matches!(self.line, Line::Request { .. });
        let shown = |name: &str| !(name.is_empty() || is_request && name.eq_ignore_ascii_case("host"));
        out.parts(|out| {
            for (i, header) in self.headers.iter().enumerate().filter(|(_, header)| shown(header.name)) {
                let same = |other: &Header| other.name.eq_ignore_ascii_case(header.name);
                if self.headers[..i].iter().any(same) {
                    continue;
                }
                out.text_by(|text| capitals(text, header.name));
                out.parts(|out| self.headers[i..].iter().filter(|other| same(other)).for_each(|h| out.text(h.value)));
            }
        });
    }

    /// A `ProtoHTTP`.
    pub fn whole(&self, out: &mut Writer) {
        out.parts(|out| {
            let method = match self.line {
                Line::Request { method, .. } => method,
                Line::Response { .. } => "",
            };
            out.text(if method.is_empty() { "response" } else { "request" });
            out.text(method);
            self.protocol(out);
            self.put_target(out);
            self.put_status(out);
            self.put_headers(out);
            out.signed(self.content_length());
        });
    }

    /// A `ProtoHTTPRequest`, or a `ProtoHTTPResponse`.
    pub fn short(&self, out: &mut Writer) {
        out.parts(|out| match self.line {
            Line::Request { method, .. } => {
                out.text(method);
                self.protocol(out);
                self.put_target(out);
                self.put_headers(out);
                out.signed(self.content_length());
            }
            Line::Response { .. } => {
                self.put_status(out);
                self.protocol(out);
                self.put_headers(out);
                out.signed(self.content_length());
            }
        });
    }
}

/// `content-type` as `Content-Type`.
fn capitals(out: &mut Vec<u8>, name: &str) {
    let mut first = true;
    for byte in name.bytes() {
        out.push(if first { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() });
        first = byte == b'-';
    }
}
