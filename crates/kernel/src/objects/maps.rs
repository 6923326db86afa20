//! /proc/PID/maps: the files whose code a process has mapped.

use std::fs::File;
use std::io::Read;

use tracee_core::text;

use super::files;
use super::images::{Object, MOST_OBJECTS};

/// Bytes that are read of it.
const MOST: u64 = 16 << 20;

/// One line.
#[derive(Debug, PartialEq, Eq)]
struct Mapping<'a> {
    range: &'a [u8],
    is_object: bool,
    device: u64,
    inode: u64,
    path: &'a [u8],
}

/// The objects that a process has loaded, its program left out; `None` where it shows nothing.
pub fn objects(process: u32) -> Option<Vec<Object>> {
    let text = read(process)?;
    let program = files::program_of(process);
    let mut found: Vec<Object> = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let Some(mapping) = parse(line).filter(|mapping| mapping.is_object) else { continue };
        let (device, inode) = (mapping.device, mapping.inode);
        let known = found.iter().any(|object| (object.device, object.inode) == (device, inode));
        if known || Some((device, inode)) == program || found.len() >= MOST_OBJECTS {
            continue;
        }
        found.push(Object { device, inode, path: path_of(mapping.path).into(), key: None });
    }
    Some(found)
}

/// The link to a file that a process has mapped, by device and inode.
pub fn range(process: u32, device: u64, inode: u64) -> Option<String> {
    let text = read(process)?;
    let mut lines = text.split(|byte| *byte == b'\n').filter_map(parse);
    let mapping = lines.find(|mapping| (mapping.device, mapping.inode) == (device, inode))?;
    Some(format!("/proc/{process}/map_files/{}", std::str::from_utf8(mapping.range).ok()?))
}

/// `None` too where it is empty, as that of a process which has ended.
fn read(process: u32) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    File::open(format!("/proc/{process}/maps")).ok()?.take(MOST).read_to_end(&mut text).ok()?;
    (!text.is_empty()).then_some(text)
}

/// `7f00-7f10 r-xp 00001000 08:01 1234     /usr/lib/libc.so.6`
fn parse(line: &[u8]) -> Option<Mapping<'_>> {
    let mut rest = line;
    let mut word = || {
        let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        word
    };
    let (range, rights, _, device, inode) = (word(), word(), word(), word(), word());
    let inode = std::str::from_utf8(inode).ok()?.parse().ok().filter(|inode| *inode != 0)?;
    let (major, minor) = std::str::from_utf8(device).ok()?.split_once(':')?;
    let number = |digits| u64::from_str_radix(digits, 16).ok();
    Some(Mapping {
        range,
        is_object: matches!(rights, [_, b'-', b'x', b'p']),
        device: libc::makedev(number(major)? as u32, number(minor)? as u32),
        inode,
        path: rest.trim_ascii_start(),
    })
}

/// Only newlines are escaped here; behind the path of what is linked no longer the kernel says so.
fn path_of(text: &[u8]) -> Vec<u8> {
    text::unescape_octal(text.strip_suffix(b" (deleted)").unwrap_or(text), |byte| byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let line = b"7f0000001000-7f0000002000 r-xp 00001000 fd:01 1234                       /a b/lib x.so";
        let mapping = parse(line).expect("a file");
        assert_eq!(mapping.range, b"7f0000001000-7f0000002000");
        assert_eq!((mapping.is_object, mapping.device, mapping.inode), (true, 0xfd01, 1234));
        assert_eq!(mapping.path, b"/a b/lib x.so");
        for rights in ["r-xs", "rwxp", "r--p"] {
            let line = format!("1-2 {rights} 0 08:01 5 /x");
            assert!(!parse(line.as_bytes()).expect("a file").is_object, "{rights}");
        }
        assert_eq!(parse(b"7ffc0000-7ffc1000 r-xp 00000000 00:00 0                          [vdso]"), None);
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"x"), None);
    }

    #[test]
    fn paths_come_as_they_are() {
        assert_eq!(path_of(b"/a\\012b\\0 (deleted)"), b"/a\nb\\0");
    }

    #[test]
    fn our_own_objects_are_found() {
        let libc = |object: &Object| object.path.windows(5).any(|part| part == b"libc.");
        let own = std::process::id();
        let found = objects(own).expect("we run");
        let libc = found.iter().find(|object| libc(object)).expect("we use libc");
        let range = range(own, libc.device, libc.inode).expect("it is mapped");
        assert!(range.starts_with(&format!("/proc/{own}/map_files/")));
        let program = files::program_of(own).expect("we run");
        assert!(found.iter().all(|object| (object.device, object.inode) != program));
    }
}
