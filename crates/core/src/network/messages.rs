//! One direction of a connection as messages: where a head begins and ends, and how much follows it.

use super::http::{self, Body, Method, Start};
use super::segments::Piece;
use super::stratum::{self, Line};

/// Bytes of a head, and of a message of DNS with its length.
const MOST: usize = (64 << 10) + 1;

/// What was found.
pub enum Found<'a> {
    Http(&'a http::Message<'a>),
    Stratum(&'a Line),
    /// A message, and whether its end is missing.
    Dns(&'a [u8], bool),
}

/// What the two directions of a connection know of each other.
#[derive(Debug, Default)]
pub struct Shared {
    /// What was asked and has no answer yet, the oldest first.
    asked: std::collections::VecDeque<Method>,
    pub stratum: bool,
}

/// Questions that wait for an answer.
const MOST_ASKED: usize = 64;

#[derive(Debug, Default)]
pub struct Messages {
    state: State,
    /// The beginning of a message whose end has not come.
    held: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Each piece may begin a message.
    #[default]
    Search,
    /// A message follows right here.
    Next,
    /// The head of a message is held.
    Head,
    /// The beginning of a line is held.
    Lines,
    Body(u64),
    /// The line that says how long the next chunk is.
    ChunkSize,
    /// So many bytes of a chunk, its line's end included.
    Chunk(u64),
    /// Lines after the last chunk, up to an empty one.
    Trailer,
    Dns,
}

impl Messages {
    pub fn of_dns() -> Messages {
        Messages { state: State::Dns, held: Vec::new() }
    }

    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// How many of the next bytes are not looked at, whatever they are.
    pub fn passed_over(&self) -> u64 {
        match self.state {
            State::Body(rest) | State::Chunk(rest) => rest,
            _ => 0,
        }
    }

    /// Takes what was sent next. Returns the bytes that were lost for us.
    pub fn take(&mut self, piece: Piece, shared: &mut Shared, found: &mut dyn FnMut(Found)) -> usize {
        match piece {
            Piece::Gap => self.lose(usize::MAX, shared, found),
            Piece::Bytes(mut bytes, missing) => {
                let mut lost = 0;
                while !bytes.is_empty() {
                    let before = (bytes.len(), self.state);
                    lost += self.step(&mut bytes, shared, found);
                    debug_assert!(before != (bytes.len(), self.state), "a step takes bytes or changes the state");
                }
                if missing > 0 {
                    lost += self.lose(missing, shared, found);
                }
                lost
            }
        }
    }

    /// Some bytes will not come.
    fn lose(&mut self, missing: usize, shared: &mut Shared, found: &mut dyn FnMut(Found)) -> usize {
        let held = std::mem::take(&mut self.held);
        match self.state {
            State::Body(rest) if rest >= missing as u64 => {
                self.state = after(rest - missing as u64, State::Next, State::Body);
                return 0;
            }
            State::Chunk(rest) if rest >= missing as u64 => {
                self.state = after(rest - missing as u64, State::ChunkSize, State::Chunk);
                return 0;
            }
            State::Dns => {
                if let Some(message) = held.get(2..) {
                    found(Found::Dns(message, true));
                }
            }
            State::Head => self.head(&held, true, shared, found),
            _ => {}
        }
        let followed = self.state != State::Search;
        if self.state != State::Dns {
            self.state = State::Search;
        }
        held.len().max(followed.into())
    }

    fn step(&mut self, bytes: &mut &[u8], shared: &mut Shared, found: &mut dyn FnMut(Found)) -> usize {
        match self.state {
            State::Search | State::Next => self.begin(bytes),
            State::Head => return self.grow_head(bytes, shared, found),
            State::Lines => return self.grow_line(bytes, shared, found),
            State::Body(rest) => self.state = after(pass(bytes, rest), State::Next, State::Body),
            State::Chunk(rest) => self.state = after(pass(bytes, rest), State::ChunkSize, State::Chunk),
            State::ChunkSize | State::Trailer => self.grow_frame(bytes),
            State::Dns => self.grow_dns(bytes, found),
        }
        0
    }

    /// Between messages: what begins here?
    fn begin(&mut self, bytes: &mut &[u8]) {
        if self.held.is_empty() {
            // servers pass over line ends before a message
            let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            *bytes = &bytes[blank..];
        }
        if bytes.is_empty() {
            return;
        }
        let known;
        let start: &[u8] = if self.held.is_empty() {
            bytes
        } else {
            known = [&self.held, &bytes[..bytes.len().min(32)]].concat();
            &known
        };
        if start[0] == b'{' {
            self.state = State::Lines;
            return;
        }
        match http::start(start) {
            Start::Yes => self.state = State::Head,
            Start::Perhaps => {
                self.held.extend_from_slice(bytes);
                *bytes = &[];
            }
            Start::No => {
                self.held.clear();
                self.state = State::Search;
                *bytes = &[];
            }
        }
    }

    fn grow_head(&mut self, bytes: &mut &[u8], shared: &mut Shared, found: &mut dyn FnMut(Found)) -> usize {
        let before = self.held.len();
        self.held.extend_from_slice(&bytes[..bytes.len().min(MOST - before)]);
        let Some(length) = http::head_length(&self.held, before) else {
            *bytes = &bytes[self.held.len() - before..];
            if self.held.len() < MOST {
                return 0;
            }
            let held = std::mem::take(&mut self.held);
            self.head(&held, true, shared, found);
            self.state = State::Search;
            *bytes = &[];
            return held.len();
        };
        let held = std::mem::take(&mut self.held);
        *bytes = &bytes[length.saturating_sub(before)..];
        self.head(&held[..length], false, shared, found);
        if self.state == State::Search {
            // no head after all
            *bytes = &[];
        }
        0
    }

    /// Tells a head, and goes on to what follows it.
    fn head(&mut self, head: &[u8], cut: bool, shared: &mut Shared, found: &mut dyn FnMut(Found)) {
        let body = http::read(head, cut, |message| {
            found(Found::Http(message));
            let asked = match message.method() {
                Some(method) => {
                    if shared.asked.len() < MOST_ASKED {
                        shared.asked.push_back(method);
                    }
                    None
                }
                None if message.is_interim() => None,
                None => shared.asked.pop_front(),
            };
            message.body(asked)
        });
        self.state = match body {
            Some(Body::Length(length)) => after(length, State::Next, State::Body),
            Some(Body::Chunked) => State::ChunkSize,
            Some(Body::Rest) | None => State::Search,
        };
    }

    fn grow_line(&mut self, bytes: &mut &[u8], shared: &mut Shared, found: &mut dyn FnMut(Found)) -> usize {
        let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
        self.held.extend_from_slice(&bytes[..end.min(stratum::MOST)]);
        *bytes = &bytes[end..];
        let whole = self.held.last() == Some(&b'\n');
        if !whole && self.held.len() < stratum::MOST {
            return 0;
        }
        let line = std::mem::take(&mut self.held);
        match Line::read(&line, shared.stratum).filter(|_| whole) {
            Some(message) => {
                shared.stratum = true;
                found(Found::Stratum(&message));
                self.state = State::Next;
                0
            }
            None => {
                self.state = State::Search;
                if !shared.stratum {
                    *bytes = &[];
                }
                0
            }
        }
    }

    /// Lines between chunks, and after the last.
    fn grow_frame(&mut self, bytes: &mut &[u8]) {
        const LONGEST: usize = 4096;
        let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
        self.held.extend_from_slice(&bytes[..end.min(LONGEST)]);
        *bytes = &bytes[end..];
        if self.held.last() != Some(&b'\n') {
            if self.held.len() >= LONGEST {
                self.held.clear();
                self.state = State::Search;
            }
            return;
        }
        let line = std::mem::take(&mut self.held);
        self.state = match (self.state, httparse::parse_chunk_size(&line)) {
            (State::Trailer, _) if matches!(&line[..], b"\r\n" | b"\n") => State::Next,
            (State::Trailer, _) => State::Trailer,
            (_, Ok(httparse::Status::Complete((_, 0)))) => State::Trailer,
            (_, Ok(httparse::Status::Complete((_, size)))) => State::Chunk(size.saturating_add(2)),
            _ => State::Search,
        };
    }

    /// Messages of DNS, each after its length.
    fn grow_dns(&mut self, bytes: &mut &[u8], found: &mut dyn FnMut(Found)) {
        let wanted = match self.held.first_chunk::<2>() {
            Some(length) => 2 + usize::from(u16::from_be_bytes(*length)),
            None => 2,
        };
        let (part, rest) = bytes.split_at(bytes.len().min(wanted - self.held.len()));
        self.held.extend_from_slice(part);
        *bytes = rest;
        let length = self.held.first_chunk::<2>().map(|length| 2 + usize::from(u16::from_be_bytes(*length)));
        if length == Some(self.held.len()) {
            found(Found::Dns(&self.held[2..], false));
            self.held.clear();
        }
    }
}

/// Passes over as many bytes as there are of `rest`; what is left of it.
fn pass(bytes: &mut &[u8], rest: u64) -> u64 {
    let passed = usize::try_from(rest).unwrap_or(usize::MAX).min(bytes.len());
    *bytes = &bytes[passed..];
    rest - passed as u64
}

fn after(rest: u64, then: State, still: impl Fn(u64) -> State) -> State {
    if rest == 0 {
        then
    } else {
        still(rest)
    }
}
