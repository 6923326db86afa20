//! The values of arguments.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::record::{chunk, Chunk};
use crate::text;
use crate::tree::Tree;

/// The value of one argument. Bytes are the traced program's own, whatever they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A null pointer, or memory that could not be read.
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Pointer(u64),
    Text(Text<'a>),
    List(List<'a>),
    SockAddr(SockAddr<'a>),
    Timespec(Timespec),
    TimespecPair([Timespec; 2]),
    FdPair([i32; 2]),
    Cred(Cred),
    Numbers(Numbers<'a>),
    Symbols(Symbols<'a>),
    Address(IpAddr),
    Bytes(Bytes<'a>),
    Tree(Tree<'a>),
}

/// A string or a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    /// Goes before the bytes: an anonymous inode's kind.
    pub prefix: &'static str,
    pub bytes: &'a [u8],
    /// Goes after them: ` (deleted)`.
    pub suffix: &'static str,
    /// There was more.
    pub cut: bool,
    /// A path as it was asked for: `.` and `..` stand in it, and links are not followed.
    pub asked: bool,
    /// A file without a path is named by this instead.
    pub inode: Option<u64>,
}

impl<'a> Text<'a> {
    pub fn of(bytes: &'a [u8]) -> Text<'a> {
        Text { prefix: "", bytes, suffix: "", cut: false, asked: false, inode: None }
    }

    /// `None` for null and unreadable memory.
    pub fn from_chunk(from: Chunk<'a>) -> Option<Text<'a>> {
        if from.is(chunk::NULL | chunk::FAULT) {
            return None;
        }
        let asked = from.is(chunk::ASKED);
        let mut text = Text { cut: from.is(chunk::CUT), asked, ..Text::of(from.bytes) };
        if from.is(chunk::INODE) {
            let (inode, mode) = from.bytes.split_first_chunk::<8>()?;
            let mode = u32::from_le_bytes(*mode.first_chunk::<4>()?);
            text.bytes = b"";
            text.inode = Some(u64::from_le_bytes(*inode));
            text.prefix = match mode & 0o170_000 {
                0o140_000 => "socket",
                0o010_000 => "pipe",
                _ => "inode",
            };
        } else if from.is(chunk::ANON) {
            text.prefix = "anon_inode:";
        }
        if from.is(chunk::DELETED) {
            text.suffix = " (deleted)";
        }
        Some(text)
    }

    /// The whole text; borrowed where it is just the bytes.
    pub fn whole(&self) -> std::borrow::Cow<'a, [u8]> {
        if let Some(inode) = self.inode {
            return format!("{}:[{inode}]", self.prefix).into_bytes().into();
        }
        if self.asked {
            return text::normal_path(self.bytes).into();
        }
        if self.prefix.is_empty() && self.suffix.is_empty() {
            return self.bytes.into();
        }
        [self.prefix.as_bytes(), self.bytes, self.suffix.as_bytes()].concat().into()
    }
}

/// A list of strings: argv, an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct List<'a> {
    /// Comes before those in `bytes`.
    first: Option<&'a [u8]>,
    bytes: &'a [u8],
    pub cut: bool,
}

impl<'a> List<'a> {
    /// `bytes`: the strings, each with its NUL.
    pub fn new(bytes: &'a [u8], cut: bool) -> List<'a> {
        List { first: None, bytes, cut }
    }

    /// The arguments of a script's exec as they were passed. The kernel has put the interpreter and its argument in the
    /// place of the first: `first` it is again, and of the others the last `rest` are the caller's.
    #[must_use]
    pub fn of_script(self, first: &'a [u8], rest: u64) -> List<'a> {
        let surplus = (self.iter().count() as u64).saturating_sub(rest);
        let mut bytes = self.bytes;
        for _ in 0..surplus {
            let end = bytes.iter().position(|b| *b == 0).map_or(bytes.len(), |end| end + 1);
            bytes = &bytes[end..];
        }
        List { first: Some(first), bytes, ..self }
    }

    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.bytes;
        self.first.into_iter().chain(std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let end = rest.iter().position(|b| *b == 0);
            let item = &rest[..end.unwrap_or(rest.len())];
            rest = end.map_or(&[], |end| &rest[end + 1..]);
            Some(item)
        }))
    }
}

/// What a task may do: `struct credentials` of `bpf/include/event.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Cred {
    ids: [u32; 8],
    user_ns: u32,
    securebits: u32,
    capabilities: [u64; 5],
}

impl Cred {
    const IDS: [&'static str; 8] = ["uid", "gid", "suid", "sgid", "euid", "egid", "fsuid", "fsgid"];
    const CAPABILITIES: [&'static str; 5] =
        ["cap_inheritable", "cap_permitted", "cap_effective", "cap_bounding", "cap_ambient"];

    /// Its fields but for the capabilities, by their names in the kernel.
    pub fn numbers(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let others = [("user_ns", self.user_ns), ("securebits", self.securebits)];
        let ids = Cred::IDS.into_iter().zip(self.ids).chain(others);
        ids.map(|(name, number)| (name, u64::from(number))).collect::<Vec<_>>().into_iter()
    }

    /// The sets of capabilities: bit n is capability n.
    pub fn capabilities(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Cred::CAPABILITIES.into_iter().zip(self.capabilities)
    }
}

/// Numbers of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers<'a> {
    bytes: &'a [u8],
    pub cut: bool,
}

impl<'a> Numbers<'a> {
    pub fn new(bytes: &'a [u8], cut: bool) -> Numbers<'a> {
        Numbers { bytes, cut }
    }

    pub fn iter(&self) -> impl Iterator<Item = u64> + 'a {
        self.bytes.chunks_exact(8).filter_map(|chunk| chunk.first_chunk().copied().map(u64::from_le_bytes))
    }
}

/// Things of the kernel, such as entries of a table of functions, with the symbols that they lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symbols<'a>(List<'a>);

/// One of [`Symbols`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// The entry.
    pub name: &'a [u8],
    /// What it leads to: a symbol, or an address that has none.
    pub symbol: &'a [u8],
    /// The module that holds it; empty where none is known to.
    pub owner: &'a [u8],
}

impl<'a> Symbols<'a> {
    pub fn new(bytes: &'a [u8]) -> Symbols<'a> {
        Symbols(List::new(bytes, false))
    }

    pub fn iter(&self) -> impl Iterator<Item = Symbol<'a>> {
        let list = self.0;
        let mut texts = list.iter().collect::<Vec<_>>().into_iter();
        std::iter::from_fn(move || Some(Symbol { name: texts.next()?, symbol: texts.next()?, owner: texts.next()? }))
    }
}

/// Bytes that are no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes<'a> {
    pub bytes: &'a [u8],
    /// There were more.
    pub cut: bool,
}

/// An address of 4 or 16 bytes, in the network's order.
pub fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?).into()),
        16 => Some(Ipv6Addr::from(*bytes.first_chunk::<16>()?).into()),
        _ => None,
    }
}

/// A moment or a span. Seconds may be negative: programs pass what they like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timespec {
    pub seconds: i64,
    pub nanoseconds: i64,
}

impl Timespec {
    /// From 16 bytes, or 8 of a 32-bit call.
    pub fn read(bytes: &[u8]) -> Option<Timespec> {
        match bytes.len() {
            16 => Some(Timespec {
                seconds: i64::from_le_bytes(*bytes.first_chunk()?),
                nanoseconds: i64::from_le_bytes(*bytes.last_chunk()?),
            }),
            8 => Some(Timespec {
                seconds: i32::from_le_bytes(*bytes.first_chunk()?).into(),
                nanoseconds: i32::from_le_bytes(*bytes.last_chunk()?).into(),
            }),
            _ => None,
        }
    }

    /// `UTIME_NOW` and `UTIME_OMIT` of utimensat.
    pub fn special(&self) -> Option<&'static str> {
        match self.nanoseconds {
            0x3fff_ffff => Some("UTIME_NOW"),
            0x3fff_fffe => Some("UTIME_OMIT"),
            _ => None,
        }
    }
}

/// A socket address, by family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SockAddr<'a> {
    Inet {
        address: Ipv4Addr,
        port: u16,
    },
    Inet6 {
        address: Ipv6Addr,
        port: u16,
        flow: u32,
        scope: u32,
    },
    /// A path, or `@` and a name of the abstract kind; empty: unnamed.
    Unix {
        abstract_name: bool,
        path: &'a [u8],
    },
    Netlink {
        pid: u32,
        groups: u32,
    },
    Packet {
        protocol: u16,
        interface: i32,
    },
    Vsock {
        cid: u32,
        port: u32,
    },
    /// Its family alone is known to us.
    Other {
        family: u16,
        bytes: &'a [u8],
    },
}

fn at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

impl<'a> SockAddr<'a> {
    /// `bytes` as the program passed them; `None` for fewer than a family takes.
    pub fn read(bytes: &'a [u8]) -> Option<SockAddr<'a>> {
        let family = u16::from_le_bytes(at(bytes, 0)?);
        let port = || at(bytes, 2).map(u16::from_be_bytes);
        let word = |offset| at(bytes, offset).map(u32::from_le_bytes);
        let known = match family {
            1 => Self::unix(bytes),
            2 => port().zip(at::<4>(bytes, 4)).map(|(port, a)| SockAddr::Inet { address: a.into(), port }),
            10 => port().zip(at::<16>(bytes, 8)).map(|(port, a)| SockAddr::Inet6 {
                address: a.into(),
                port,
                flow: at(bytes, 4).map_or(0, u32::from_be_bytes),
                scope: word(24).unwrap_or(0),
            }),
            16 => word(4).zip(word(8)).map(|(pid, groups)| SockAddr::Netlink { pid, groups }),
            17 => port().zip(word(4)).map(|(protocol, i)| SockAddr::Packet { protocol, interface: i as i32 }),
            40 => word(4).zip(word(8)).map(|(port, cid)| SockAddr::Vsock { cid, port }),
            _ => None,
        };
        Some(known.unwrap_or(SockAddr::Other { family, bytes: &bytes[2..] }))
    }

    fn unix(bytes: &'a [u8]) -> Option<SockAddr<'a>> {
        let path = &bytes[2..];
        match path.split_first() {
            // an abstract name may hold NULs, and fills the length given
            Some((0, name)) => Some(SockAddr::Unix { abstract_name: true, path: name }),
            _ => {
                let end = path.iter().position(|b| *b == 0).unwrap_or(path.len());
                Some(SockAddr::Unix { abstract_name: false, path: &path[..end] })
            }
        }
    }
}
