//! Processes as /proc shows them: those that were there before us, and whatever was missed.

use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::image::Parts;

/// Of a program's arguments no more is kept: `KEPT_ARGUMENTS` in `bpf/control.bpf.c`.
const ARGUMENTS: u64 = 1024;

/// A process that /proc shows.
#[derive(Debug, Clone, Default)]
pub struct Found {
    pub pid: u32,
    /// In ticks since boot.
    pub tick: u32,
    pub ppid: u32,
    pub ns_pid: u32,
    /// 0: not known.
    pub pid_ns: u32,
    pub uid: u32,
    pub comm: [u8; 16],
    /// `None` for the kernel's own threads.
    pub image: Option<Parts>,
}

/// How much is read of each process. Reading takes time, in which processes end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Who is whose parent, and runs what.
    Programs,
    /// Its user and its pid in its namespace, too.
    Processes,
    /// Its working directory and arguments, too.
    Details,
}

/// All processes in `proc`, the mount point of procfs.
///
/// # Errors
/// It cannot be listed. A process that ends meanwhile is passed over.
pub fn read(proc: &Path, depth: Depth) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(proc)? {
        let entry = entry?;
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        found.extend(pid.and_then(|pid| process(pid, &entry.path(), depth)));
    }
    Ok(found)
}

fn process(pid: u32, folder: &Path, depth: Depth) -> Option<Found> {
    let mut found = Found { pid, ns_pid: pid, ..Found::default() };
    read_stat(&mut found, &fs::read(folder.join("stat")).ok()?)?;
    if depth >= Depth::Processes {
        read_status(&mut found, &fs::read(folder.join("status")).ok()?);
    }
    if depth >= Depth::Details {
        found.pid_ns = fs::metadata(folder.join("ns/pid")).map_or(0, |namespace| namespace.ino() as u32);
    }
    found.image = fs::read_link(folder.join("exe")).ok().map(|target| {
        let path = target.into_os_string().into_vec();
        let (path, deleted) = match path.strip_suffix(b" (deleted)") {
            Some(linked) => (linked.to_vec(), true),
            None => (path, false),
        };
        let mut parts = Parts { path, deleted, ..Parts::default() };
        if depth >= Depth::Details {
            let cwd = fs::read_link(folder.join("cwd"));
            parts.cwd = cwd.map(|path| path.into_os_string().into_vec()).unwrap_or_default();
            (parts.argv, parts.argv_cut) = arguments(&folder.join("cmdline")).unwrap_or_default();
        }
        parts
    });
    Some(found)
}

/// `PID (NAME) STATE PPID ...`: a name may have any bytes, so what follows it is found from behind.
fn read_stat(found: &mut Found, stat: &[u8]) -> Option<()> {
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let name = stat.get(open + 1..close)?;
    let length = name.len().min(found.comm.len() - 1);
    found.comm[..length].copy_from_slice(&name[..length]);
    let mut fields = std::str::from_utf8(&stat[close + 1..]).ok()?.split_ascii_whitespace();
    found.ppid = fields.nth(1)?.parse().ok()?;
    // field 22; those before it are from the state on
    found.tick = fields.nth(17)?.parse::<u64>().ok()? as u32;
    Some(())
}

fn read_status(found: &mut Found, status: &[u8]) {
    for line in status.split(|byte| *byte == b'\n') {
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("Uid:") => found.uid = words.next().and_then(|word| word.parse().ok()).unwrap_or(0),
            Some("NSpid:") => found.ns_pid = words.last().and_then(|word| word.parse().ok()).unwrap_or(found.pid),
            _ => {}
        }
    }
}

fn arguments(file: &Path) -> io::Result<(Vec<u8>, bool)> {
    let mut text = Vec::new();
    fs::File::open(file)?.take(ARGUMENTS + 1).read_to_end(&mut text)?;
    let cut = text.len() as u64 > ARGUMENTS;
    text.truncate(ARGUMENTS as usize);
    Ok((text, cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_look_like_what_follows_them() {
        let mut found = Found::default();
        let stat = b"7 (a) R 1 (b) S 42 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2";
        assert_eq!(read_stat(&mut found, stat), Some(()));
        assert_eq!((found.ppid, found.tick), (42, 987_654));
        assert!(found.comm.starts_with(b"a) R 1 (b"));
        for end in 0..stat.len() {
            read_stat(&mut Found::default(), &stat[..end]);
        }
        assert_eq!(read_stat(&mut Found::default(), b")("), None);
    }

    #[test]
    fn ourselves() {
        let all = read(Path::new("/proc"), Depth::Details).expect("procfs is there");
        let own = all.iter().find(|found| found.pid == std::process::id()).expect("we run");
        // SAFETY: asks, and cannot fail
        assert_eq!(own.ppid, unsafe { libc::getppid() } as u32);
        let image = own.image.as_ref().expect("we have a program");
        assert_eq!(image.cwd, std::env::current_dir().expect("we have one").as_os_str().as_encoded_bytes());
        let first = std::env::args_os().next().expect("our name");
        assert!(image.argv.starts_with(first.as_encoded_bytes()));
        assert!(own.tick > 0);
    }
}
