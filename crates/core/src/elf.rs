//! What a shared object exports, read as the dynamic loader reads it: by the program headers and the hash table, never by
//! section headers, which a file may lack or lie in. The file may be anybody's work: every read is bounded.

use std::io::{Read, Seek};

use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{Dyn, FileHeader, GnuHashTable, HashTable, ProgramHeader, Sym};
use object::read::{ReadCache, ReadRef};
use object::Endianness;

/// Symbols looked at; the ones after these are not.
pub const MOST_SYMBOLS: usize = 1 << 18;
/// Bytes of all names together.
pub const MOST_TEXT: usize = 8 << 20;
/// A longer name is passed over.
pub const LONGEST_NAME: usize = 4096;
/// Bytes of a hash table, and of the strings that it is read with.
const MOST_TABLE: u64 = 8 << 20;
const MOST_HEADERS: usize = 1024;

/// Names, each once, in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Exports {
    text: Box<[u8]>,
    names: Box<[Place]>,
    /// There are more.
    pub cut: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    start: u32,
    length: u16,
    shared: bool,
}

/// A name that an object exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Export<'a> {
    pub name: &'a [u8],
    /// Any definition will do (weak, or unique in the process): other objects are expected to have one too.
    pub shared: bool,
}

impl Exports {
    fn new(mut found: Vec<Export<'_>>, cut: bool) -> Exports {
        found.sort_unstable_by_key(|export| (export.name, export.shared));
        found.dedup_by_key(|export| export.name);
        let mut text = Vec::with_capacity(found.iter().map(|export| export.name.len()).sum());
        let places = found.iter().map(|export| {
            let (start, length) = (text.len() as u32, export.name.len() as u16);
            text.extend_from_slice(export.name);
            Place { start, length, shared: export.shared }
        });
        let names = places.collect();
        Exports { text: text.into(), names, cut }
    }

    pub fn iter(&self) -> impl Iterator<Item = Export<'_>> + Clone {
        self.names.iter().map(|place| {
            let start = place.start as usize;
            Export { name: &self.text[start..start + usize::from(place.length)], shared: place.shared }
        })
    }

    /// Names that both have; `shared` where both say so.
    pub fn common<'a>(&'a self, other: &'a Exports) -> impl Iterator<Item = Export<'a>> {
        let mut others = other.iter().peekable();
        self.iter().filter_map(move |own| {
            while others.next_if(|other| other.name < own.name).is_some() {}
            let same = others.next_if(|other| other.name == own.name)?;
            Some(Export { name: own.name, shared: own.shared && same.shared })
        })
    }

    /// Bytes that it takes.
    pub fn weight(&self) -> usize {
        self.text.len() + size_of_val(&*self.names)
    }
}

/// Reads the exports of `file`, of either width and byte order.
///
/// # Errors
/// It is no ELF file, or one that the loader would not take: what is wrong, in a few words.
pub fn exports(file: impl Read + Seek) -> Result<Exports, &'static str> {
    let data = ReadCache::new(file);
    let ident = (&data).read_bytes_at(0, 5).map_err(|()| "it is too short")?;
    match ident {
        [0x7f, b'E', b'L', b'F', 1] => read::<FileHeader32<Endianness>, _>(&data),
        [0x7f, b'E', b'L', b'F', 2] => read::<FileHeader64<Endianness>, _>(&data),
        _ => Err("it is no ELF file"),
    }
}

/// A segment that is loaded.
struct Segment {
    address: u64,
    offset: u64,
    size: u64,
}

/// The bytes of the file that will stand at an address, as far as its segment goes, `most` at most.
fn at<'data>(
    data: impl ReadRef<'data>,
    segments: &[Segment],
    address: u64,
    most: u64,
) -> Result<&'data [u8], &'static str> {
    let place = segments.iter().find_map(|segment| {
        let inside = address.checked_sub(segment.address).filter(|inside| *inside < segment.size)?;
        Some((segment.offset.checked_add(inside)?, segment.size - inside))
    });
    let (offset, size) = place.ok_or("an address is in no segment")?;
    let there = data.len().unwrap_or(0).saturating_sub(offset);
    data.read_bytes_at(offset, size.min(most).min(there)).map_err(|()| "it cannot be read")
}

fn read<'data, Elf, R>(data: R) -> Result<Exports, &'static str>
where
    Elf: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let header = Elf::parse(data).map_err(|_| "its header is not right")?;
    let endian = header.endian().map_err(|_| "its header is not right")?;
    if usize::from(header.e_phnum(endian)) > MOST_HEADERS {
        return Err("it has too many program headers");
    }
    let headers = header.program_headers(endian, data).map_err(|_| "its program headers are not right")?;
    let loaded = headers.iter().filter(|header| header.p_type(endian) == elf::PT_LOAD);
    let segments: Vec<Segment> = loaded
        .map(|header| {
            let (offset, size) = header.file_range(endian);
            Segment { address: header.p_vaddr(endian).into(), offset, size }
        })
        .collect();

    // of several the last counts, as with the loader
    let dynamic = headers.iter().rfind(|header| header.p_type(endian) == elf::PT_DYNAMIC).ok_or("it is not dynamic")?;
    let table = at(data, &segments, dynamic.p_vaddr(endian).into(), dynamic.p_memsz(endian).into().min(MOST_TABLE))?;
    let (mut symbols, mut strings, mut hash, mut gnu_hash) = (None, None, None, None);
    for chunk in table.chunks_exact(size_of::<Elf::Dyn>()) {
        let (entry, _) = object::pod::from_bytes::<Elf::Dyn>(chunk).map_err(|()| "its dynamic table is not right")?;
        match entry.tag(endian) {
            elf::DT_NULL => break,
            elf::DT_SYMTAB => symbols = Some(entry.val(endian)),
            elf::DT_STRTAB => strings = Some(entry.val(endian)),
            elf::DT_HASH => hash = Some(entry.val(endian)),
            elf::DT_GNU_HASH => gnu_hash = Some(entry.val(endian)),
            _ => {}
        }
    }
    let (Some(symbols), Some(strings)) = (symbols, strings) else { return Err("it has no table of symbols") };
    let count = match (gnu_hash, hash) {
        (Some(address), _) => {
            let table = GnuHashTable::<Elf>::parse(endian, at(data, &segments, address, MOST_TABLE)?);
            table.map_err(|_| "its hash table is not right")?.symbol_table_length(endian).unwrap_or(0)
        }
        (None, Some(address)) => {
            let table = HashTable::<Elf>::parse(endian, at(data, &segments, address, MOST_TABLE)?);
            table.map_err(|_| "its hash table is not right")?.symbol_table_length()
        }
        // nothing can be found in it
        (None, None) => 0,
    };
    if count == 0 {
        return Ok(Exports::default());
    }
    let most = (count as usize).min(MOST_SYMBOLS);
    let bytes = at(data, &segments, symbols, (most * size_of::<Elf::Sym>()) as u64)?;
    let whole = bytes.len() / size_of::<Elf::Sym>();
    let (table, _) =
        object::pod::slice_from_bytes::<Elf::Sym>(bytes, whole).map_err(|()| "its symbols are not right")?;
    let exported: Vec<&Elf::Sym> = table.iter().filter(|symbol| is_exported(*symbol, endian)).collect();
    // the loader does not ask how long the strings are said to be
    let last = exported.iter().map(|symbol| u64::from(symbol.st_name(endian))).max().unwrap_or(0);
    let strings = at(data, &segments, strings, (last + LONGEST_NAME as u64).min(MOST_TABLE))?;
    let (found, full) = named(&exported, endian, strings);
    Ok(Exports::new(found, full || whole < count as usize))
}

/// Whether other objects can be bound to it. The names of an object's versions stand among its symbols, as absolute zeroes.
fn is_exported<S: Sym<Endian = Endianness>>(symbol: &S, endian: Endianness) -> bool {
    let version = symbol.is_absolute(endian) && symbol.st_value(endian).into() == 0;
    let bound = [elf::STB_GLOBAL, elf::STB_WEAK, elf::STB_GNU_UNIQUE].contains(&symbol.st_bind());
    let visible = [elf::STV_DEFAULT, elf::STV_PROTECTED].contains(&symbol.st_visibility());
    bound && visible && !version && !symbol.is_undefined(endian)
}

/// The symbols with their names, and whether these were more than fit.
fn named<'data, S: Sym<Endian = Endianness>>(
    symbols: &[&S],
    endian: Endianness,
    strings: &'data [u8],
) -> (Vec<Export<'data>>, bool) {
    let (mut found, mut room) = (Vec::with_capacity(symbols.len()), MOST_TEXT);
    for symbol in symbols {
        let Some(rest) = strings.get(symbol.st_name(endian) as usize..) else { continue };
        let rest = &rest[..rest.len().min(LONGEST_NAME)];
        let Some(end) = rest.iter().position(|byte| *byte == 0).filter(|end| *end != 0) else { continue };
        match room.checked_sub(end) {
            Some(left) => room = left,
            None => return (found, true),
        }
        found.push(Export { name: &rest[..end], shared: symbol.st_bind() != elf::STB_GLOBAL });
    }
    (found, false)
}
