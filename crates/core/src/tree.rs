//! Values that have parts: structs, lists and maps in one run of bytes, read in place.
//!
//! A value is a tag and what the tag says: numbers little-endian and as short as they go, an address' bytes, a text with
//! its length before it. A struct, a list or a map has the bytes of its parts counted before them, so that it can be passed
//! over: a struct's are the fields of its shape in order, a map's are texts and what they lead to in turn. What the fields
//! are called stands in the catalogue ([`SHAPES`]), not in the bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::catalogue::{Field, Type, SHAPES};

/// What the next bytes are.
mod tag {
    pub const NULL: u8 = 0;
    /// Numbers of 1, 2, 4 and 8 bytes, and a negative one of 8.
    pub const U8: u8 = 1;
    pub const U16: u8 = 2;
    pub const U32: u8 = 3;
    pub const U64: u8 = 4;
    pub const NEGATIVE: u8 = 5;
    pub const IPV4: u8 = 6;
    pub const IPV6: u8 = 7;
    pub const TEXT: u8 = 8;
    /// Struct, list or map, as the type says.
    pub const PARTS: u8 = 9;
}

/// A value and its type. Bytes that make no sense are [`Node::Null`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tree<'a> {
    bytes: &'a [u8],
    of: &'static Type,
    /// There was more than is in it. The whole says so, not its parts.
    pub cut: bool,
}

/// One step into a [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Node<'a> {
    Null,
    Number(i128),
    Text(&'a [u8]),
    Address(IpAddr),
    Struct(Parts<'a>),
    List(Parts<'a>),
    Map(Parts<'a>),
}

/// The parts of a struct, a list or a map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parts<'a> {
    rest: &'a [u8],
    of: &'static Type,
}

impl<'a> Tree<'a> {
    pub fn new(bytes: &'a [u8], of: &'static Type, cut: bool) -> Tree<'a> {
        Tree { bytes, of, cut }
    }

    /// The type says what the bytes may be: others are null.
    pub fn node(&self) -> Node<'a> {
        let mut rest = self.bytes;
        match (take(&mut rest), self.of) {
            (Some(Raw::Number(number)), Type::Number(_)) => Node::Number(number),
            (Some(Raw::Text(text)), Type::Text) => Node::Text(text),
            (Some(Raw::Address(address)), Type::Address) => Node::Address(address),
            (Some(Raw::Parts(rest)), of @ Type::Struct(_)) => Node::Struct(Parts { rest, of }),
            (Some(Raw::Parts(rest)), of @ Type::List(_)) => Node::List(Parts { rest, of }),
            (Some(Raw::Parts(rest)), of @ Type::Map(_)) => Node::Map(Parts { rest, of }),
            _ => Node::Null,
        }
    }

    /// The names that a number may have.
    pub fn family(&self) -> Option<u16> {
        if let Type::Number(family) = self.of {
            *family
        } else {
            None
        }
    }
}

impl<'a> Parts<'a> {
    /// Of a struct: its fields with their values; of those that it lacks, null.
    pub fn fields(self) -> impl Iterator<Item = (&'static Field, Tree<'a>)> {
        let fields = match self.of {
            Type::Struct(shape) => SHAPES.get(usize::from(*shape)).map_or(&[][..], |shape| shape.fields),
            _ => &[],
        };
        let mut rest = self.rest;
        fields.iter().map(move |field| (field, Tree::new(split(&mut rest), &field.of, false)))
    }

    /// Of a list.
    pub fn items(self) -> impl Iterator<Item = Tree<'a>> {
        let item = if let Type::List(item) = self.of { Some(*item) } else { None };
        let mut rest = self.rest;
        std::iter::from_fn(move || {
            let of = item.filter(|_| !rest.is_empty())?;
            Some(Tree::new(split(&mut rest), of, false))
        })
    }

    /// Of a map.
    pub fn entries(self) -> impl Iterator<Item = (&'a [u8], Tree<'a>)> {
        let value = if let Type::Map(value) = self.of { Some(*value) } else { None };
        let mut rest = self.rest;
        std::iter::from_fn(move || {
            let of = value?;
            let Raw::Text(key) = take(&mut rest)? else { return None };
            Some((key, Tree::new(split(&mut rest), of, false)))
        })
    }
}

/// A way into trees of a type, from struct to field and from map to value; lists are walked through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    steps: Vec<Step>,
    /// What stands at its end.
    pub leaf: &'static Type,
    /// The end is one of several in a list.
    pub of_list: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(usize),
    Key(Vec<u8>),
}

impl Path {
    /// `words`: with dots between, as in `headers.User-Agent`. `None` where they lead to nothing that is a number, a text
    /// or an address.
    pub fn new(of: &'static Type, words: &str) -> Option<Path> {
        let mut path = Path { steps: Vec::new(), leaf: of, of_list: false };
        let mut rest = (!words.is_empty()).then_some(words);
        loop {
            match path.leaf {
                Type::List(item) => (path.leaf, path.of_list) = (item, true),
                Type::Map(value) => {
                    // keys may have dots in them
                    path.steps.push(Step::Key(rest.take()?.as_bytes().to_vec()));
                    path.leaf = value;
                }
                Type::Struct(shape) => {
                    let (word, after) =
                        rest?.split_once('.').map_or((rest?, None), |(word, after)| (word, Some(after)));
                    let fields = SHAPES.get(usize::from(*shape))?.fields;
                    let place = fields.iter().position(|field| field.name == word)?;
                    path.steps.push(Step::Field(place));
                    (path.leaf, path.of_list, rest) = (&fields[place].of, false, after);
                }
                _ => return rest.is_none().then_some(path),
            }
        }
    }

    /// Hands on what stands at the end, each of them where there are several.
    pub fn follow<'a>(&self, tree: Tree<'a>, take: &mut dyn FnMut(Tree<'a>)) {
        Path::walk(&self.steps, tree, take);
    }

    fn walk<'a>(steps: &[Step], tree: Tree<'a>, take: &mut dyn FnMut(Tree<'a>)) {
        match (tree.node(), steps) {
            (Node::List(parts), _) => parts.items().for_each(|item| Path::walk(steps, item, take)),
            (Node::Struct(parts), [Step::Field(place), rest @ ..]) => {
                if let Some((_, value)) = parts.fields().nth(*place) {
                    Path::walk(rest, value, take);
                }
            }
            (Node::Map(parts), [Step::Key(key), rest @ ..]) => {
                // keys are names of headers: capitals do not tell them apart
                let same = parts.entries().filter(|(name, _)| name.eq_ignore_ascii_case(key));
                same.for_each(|(_, value)| Path::walk(rest, value, take));
            }
            (Node::Null, _) => {}
            (_, []) => take(tree),
            _ => {}
        }
    }
}

/// All ways into trees of a type; `*` stands for any key.
pub fn paths(of: &Type) -> Vec<String> {
    let deeper = |name: &str, of: &Type| {
        let below = paths(of);
        let deep = below.into_iter().map(|path| if path.is_empty() { name.into() } else { format!("{name}.{path}") });
        deep.collect::<Vec<_>>()
    };
    match of {
        Type::List(item) => paths(item),
        Type::Map(value) => deeper("*", value),
        Type::Struct(shape) => {
            let fields = SHAPES.get(usize::from(*shape)).map_or(&[][..], |shape| shape.fields);
            fields.iter().flat_map(|field| deeper(field.name, &field.of)).collect()
        }
        _ => vec![String::new()],
    }
}

enum Raw<'a> {
    Null,
    Number(i128),
    Text(&'a [u8]),
    Address(IpAddr),
    Parts(&'a [u8]),
}

/// Takes one value off the front; `None` at the end, and where there is no sense, which ends it.
fn take<'a>(rest: &mut &'a [u8]) -> Option<Raw<'a>> {
    let all = std::mem::take(rest);
    let (tag, after) = all.split_first()?;
    let (raw, after) = match *tag {
        tag::NULL => (Raw::Null, after),
        tag::U8 => fixed(after, |[byte]: [u8; 1]| Raw::Number(byte.into()))?,
        tag::U16 => fixed(after, |bytes| Raw::Number(u16::from_le_bytes(bytes).into()))?,
        tag::U32 => fixed(after, |bytes| Raw::Number(u32::from_le_bytes(bytes).into()))?,
        tag::U64 => fixed(after, |bytes| Raw::Number(u64::from_le_bytes(bytes).into()))?,
        tag::NEGATIVE => fixed(after, |bytes| Raw::Number(i64::from_le_bytes(bytes).into()))?,
        tag::IPV4 => fixed(after, |bytes: [u8; 4]| Raw::Address(Ipv4Addr::from(bytes).into()))?,
        tag::IPV6 => fixed(after, |bytes: [u8; 16]| Raw::Address(Ipv6Addr::from(bytes).into()))?,
        tag::TEXT => counted(after, Raw::Text)?,
        tag::PARTS => counted(after, Raw::Parts)?,
        _ => return None,
    };
    *rest = after;
    Some(raw)
}

/// The bytes of the next value, tag included.
fn split<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let all = *rest;
    take(rest);
    &all[..all.len() - rest.len()]
}

fn fixed<'a, const N: usize>(bytes: &'a [u8], make: impl Fn([u8; N]) -> Raw<'a>) -> Option<(Raw<'a>, &'a [u8])> {
    bytes.split_first_chunk::<N>().map(|(value, after)| (make(*value), after))
}

fn counted<'a>(bytes: &'a [u8], make: impl Fn(&'a [u8]) -> Raw<'a>) -> Option<(Raw<'a>, &'a [u8])> {
    let (length, after) = bytes.split_first_chunk::<4>()?;
    let (value, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((make(value), after))
}

/// Writes trees. The values are put one after the other, as the type has them.
#[derive(Debug, Default)]
pub struct Writer {
    pub bytes: Vec<u8>,
}

impl Writer {
    pub fn null(&mut self) {
        self.bytes.push(tag::NULL);
    }

    pub fn number(&mut self, number: impl Into<u64>) {
        let number = number.into();
        let (tag, length) = match number {
            0..=0xff => (tag::U8, 1),
            0x100..=0xffff => (tag::U16, 2),
            0x1_0000..=0xffff_ffff => (tag::U32, 4),
            _ => (tag::U64, 8),
        };
        self.bytes.push(tag);
        self.bytes.extend_from_slice(&number.to_le_bytes()[..length]);
    }

    pub fn signed(&mut self, number: i64) {
        match u64::try_from(number) {
            Ok(number) => self.number(number),
            Err(_) => {
                self.bytes.push(tag::NEGATIVE);
                self.bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
    }

    pub fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => {
                self.bytes.push(tag::IPV4);
                self.bytes.extend_from_slice(&address.octets());
            }
            IpAddr::V6(address) => {
                self.bytes.push(tag::IPV6);
                self.bytes.extend_from_slice(&address.octets());
            }
        }
    }

    pub fn text(&mut self, text: impl AsRef<[u8]>) {
        self.text_by(|bytes| bytes.extend_from_slice(text.as_ref()));
    }

    /// A text that `write` appends.
    pub fn text_by(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.counted(tag::TEXT, |writer| write(&mut writer.bytes));
    }

    /// A struct, a list or a map, whose parts `write` puts.
    pub fn parts(&mut self, write: impl FnOnce(&mut Writer)) {
        self.counted(tag::PARTS, write);
    }

    fn counted(&mut self, tag: u8, write: impl FnOnce(&mut Writer)) {
        self.bytes.push(tag);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        write(self);
        let length = (self.bytes.len() - start - 4) as u32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }
}
