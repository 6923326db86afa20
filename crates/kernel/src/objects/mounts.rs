//! /proc/PID/mountinfo: where file systems are served by programs (FUSE). Such a program decides how long we wait for each
//! step of a path and each byte of a file, so we go nowhere near.

use std::fs::File;
use std::io::Read;

use tracee_core::text;

/// Bytes that are read of it.
const MOST: u64 = 4 << 20;

/// The mounts of one process that are served by programs.
pub struct Served(Vec<Mount>);

#[derive(Debug, PartialEq, Eq)]
struct Mount {
    device: u64,
    point: Vec<u8>,
}

impl Served {
    /// As the process sees them; `None` where it shows nothing any more.
    pub fn of(process: u32) -> Option<Served> {
        let mut text = Vec::new();
        File::open(format!("/proc/{process}/mountinfo")).ok()?.take(MOST).read_to_end(&mut text).ok()?;
        Some(Served::parse(&text))
    }

    fn parse(text: &[u8]) -> Served {
        Served(text.split(|byte| *byte == b'\n').filter_map(served).collect())
    }

    /// Whether a file is on one of them, or is reached by way of one.
    pub fn has(&self, device: u64, path: &[u8]) -> bool {
        let below = |point: &[u8]| path.strip_prefix(point).is_some_and(|rest| rest.is_empty() || rest[0] == b'/');
        self.0.iter().any(|mount| mount.device == device || mount.point == b"/" || below(&mount.point))
    }
}

/// `36 35 0:31 / /mnt rw,nosuid shared:1 - fuse.sshfs host:/ rw`: the mount of a line, where a program serves it.
fn served(line: &[u8]) -> Option<Mount> {
    let line = std::str::from_utf8(line).ok()?;
    let (place, kind) = line.split_once(" - ")?;
    if !kind.starts_with("fuse") {
        return None;
    }
    let mut words = place.split(' ').skip(2);
    let (major, minor) = words.next()?.split_once(':')?;
    let point = text::unescape_octal(words.nth(1)?.as_bytes(), |_| true);
    Some(Mount { device: libc::makedev(major.parse().ok()?, minor.parse().ok()?), point })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_behind_programs_are_known() {
        let text = b"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
            36 22 0:31 / /mnt/a\\040b rw,nosuid shared:1 - fuse.sshfs host:/ rw\n\
            37 36 0:32 / /mnt/a\\040b/c rw - tmpfs none rw\n\
            broken - fuse\n";
        let served = Served::parse(text);
        assert_eq!(served.0, [Mount { device: 31, point: b"/mnt/a b".to_vec() }]);
        assert!(served.has(31, b"/elsewhere"));
        assert!(served.has(32, b"/mnt/a b/c/x.so"), "the way there leads through it");
        assert!(!served.has(0x801, b"/mnt/a bc/x.so"));
        assert!(!served.has(0x801, b"/lib/x.so"));
    }

    #[test]
    fn our_own_mounts_are_read() {
        let served = Served::of(std::process::id()).expect("we run");
        assert!(!served.has(u64::MAX, b"/proc/self/exe"));
    }
}
