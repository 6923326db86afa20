//! Text with `*`: what filters and scopes compare strings and paths with.

/// `*` stands for any bytes, none included; everything else for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// What stands between the stars; one piece: no star at all.
    pieces: Vec<Vec<u8>>,
}

/// The shapes that the kernel side can test.
#[derive(Debug, PartialEq, Eq)]
pub enum Shape<'a> {
    Exact(&'a [u8]),
    Prefix(&'a [u8]),
    Suffix(&'a [u8]),
    /// None of these.
    Other,
}

impl Pattern {
    pub fn new(text: &str) -> Pattern {
        Pattern::from_bytes(text.as_bytes())
    }

    pub fn from_bytes(bytes: &[u8]) -> Pattern {
        Pattern { pieces: bytes.split(|b| *b == b'*').map(<[u8]>::to_vec).collect() }
    }

    /// Matches where `text` stands anywhere, unless it says otherwise with a `*` of its own.
    pub fn containing(text: &str) -> Pattern {
        if text.contains('*') {
            Pattern::new(text)
        } else {
            Pattern { pieces: vec![Vec::new(), text.as_bytes().to_vec(), Vec::new()] }
        }
    }

    pub fn shape(&self) -> Shape<'_> {
        match self.pieces.as_slice() {
            [all] => Shape::Exact(all),
            [start, end] if end.is_empty() => Shape::Prefix(start),
            [start, end] if start.is_empty() => Shape::Suffix(end),
            _ => Shape::Other,
        }
    }

    pub fn matches(&self, text: &[u8]) -> bool {
        let [first, middle @ .., last] = self.pieces.as_slice() else {
            return self.pieces[0] == text;
        };
        let Some(mut rest) = text.strip_prefix(first.as_slice()).and_then(|t| t.strip_suffix(last.as_slice())) else {
            return false;
        };
        // each piece at the first place where it fits leaves the most for the others
        for piece in middle.iter().filter(|p| !p.is_empty()) {
            let Some(at) = rest.windows(piece.len()).position(|w| w == piece.as_slice()) else {
                return false;
            };
            rest = &rest[at + piece.len()..];
        }
        true
    }
}
