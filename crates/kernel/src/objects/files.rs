//! Files of objects: found, opened without harm, read once, and what was read kept.

use std::fs::File as Open;
use std::io::{Read, Seek};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tracee_core::elf::{self, Exports};
use tracee_core::text;
use tracee_core::watch::Watches;

use super::images::Object;
use super::lists::{self, Lists};
use super::lru::Lru;
use super::maps;
use super::mounts::Served;

/// Larger files are passed over.
const MOST_BYTES: u64 = 64 << 20;
const MOST_DIGESTED: u64 = 256 << 20;
const MOST_FILES: usize = 2048;
/// Of all names that are kept.
const MOST_KEPT: usize = 32 << 20;

/// A file as it was at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    pub device: u64,
    pub inode: u64,
    /// ns since 1970
    pub ctime: u64,
}

/// What an object's file has in it.
#[derive(Debug)]
pub struct File {
    pub key: Key,
    pub exports: Exports,
    /// The names that rules look for.
    pub found: Lists,
    /// In hex, of those that have any.
    pub sha256: Option<String>,
}

/// Processes by which a path may be reached, the best first.
pub type Places = [u32; 4];

pub struct Files {
    /// Or why there is nothing to be had of it.
    read: Lru<Key, Result<Arc<File>, &'static str>>,
}

impl Files {
    pub fn new() -> Files {
        Files { read: Lru::new(MOST_FILES, MOST_KEPT) }
    }

    /// The object's file; `None` where it cannot be had, which `say` is told.
    pub fn get(
        &mut self,
        object: &mut Object,
        places: Places,
        watches: &Watches,
        say: &mut dyn FnMut(String),
    ) -> Option<Arc<File>> {
        if let Some(known) = object.key.and_then(|key| self.read.get(&key)) {
            return known.as_ref().ok().cloned();
        }
        let mut passed_over = |why: &str| say(format!("{} is passed over: {why}", text::escape(&object.path)));
        let Some((mut file, key, size)) = open(object, places) else {
            passed_over("it was gone before it could be read, or is served by a program (FUSE)");
            return None;
        };
        object.key = Some(key);
        if let Some(known) = self.read.get(&key) {
            return known.as_ref().ok().cloned();
        }
        let read = if size > MOST_BYTES { Err("it is larger than 64 MiB") } else { read(&mut file, key, watches) };
        if let Err(why) = &read {
            passed_over(why);
        }
        let read = read.map(Arc::new);
        // one that is being written is read again the next time
        if file.metadata().is_ok_and(|now| key_of(&now) == key) {
            let weight = read.as_ref().map_or(0, |file| file.exports.weight());
            self.read.insert(key, read.clone(), weight);
        }
        read.ok()
    }
}

fn read(file: &mut Open, key: Key, watches: &Watches) -> Result<File, &'static str> {
    let exports = elf::exports(&mut *file)?;
    let found = lists::of(&watches.loaded, exports.iter().map(|export| (export.name, false)));
    let sha256 = if found.is_empty() { None } else { Some(sha256(file, MOST_BYTES).map_err(|_| "it cannot be read")?) };
    Ok(File { key, exports, found, sha256 })
}

/// Of no more than so many bytes.
fn sha256(file: &mut Open, most: u64) -> std::io::Result<String> {
    file.rewind()?;
    let (mut hash, mut buffer, mut rest) = (Sha256::new(), vec![0; 64 << 10], file.take(most));
    loop {
        let length = rest.read(&mut buffer)?;
        if length == 0 {
            return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hash.update(&buffer[..length]);
    }
}

fn key_of(metadata: &std::fs::Metadata) -> Key {
    let ctime = metadata.ctime().wrapping_mul(1_000_000_000).wrapping_add(metadata.ctime_nsec());
    Key { device: metadata.dev(), inode: metadata.ino(), ctime: ctime as u64 }
}

/// Opens the object's file to be read; with its key and its size in bytes.
///
/// The path is what a program made it to be, and may lead elsewhere by now. So it is taken hold of without opening it, and
/// opened when it is known to be the right one: a device or a FIFO is never opened.
fn open(object: &Object, places: Places) -> Option<(Open, Key, u64)> {
    let by_path = || places.into_iter().filter(|place| *place != 0).find_map(|place| hold(object, place));
    // what has no path any more, or never had one
    let by_mapping = || {
        Served::of(places[0]).filter(|served| !served.has(object.device, b""))?;
        let range = maps::range(places[0], object.device, object.inode)?;
        let held = Open::options().read(true).custom_flags(libc::O_PATH).open(range).ok()?;
        is_object(&held, object).then_some(held)
    };
    let held = by_path().or_else(by_mapping)?;
    let path = format!("/proc/self/fd/{}", held.as_raw_fd());
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = Open::options().read(true).custom_flags(flags).open(path).ok()?;
    let metadata = file.metadata().ok()?;
    Some((file, key_of(&metadata), metadata.len()))
}

/// The digest of the file that a process executed, read by way of that or of the path; `None` where it cannot be had: it is
/// gone, too large, served by a program, or was changed while it was read.
pub fn digest(object: &Object, processes: [u32; 2]) -> Option<String> {
    let [process, parent] = processes;
    let (mut file, key, size) = open_program(object, process)
        .or_else(|| open(object, [process, parent, std::process::id(), 0]))
        .filter(|(_, _, size)| *size <= MOST_DIGESTED)?;
    let digest = sha256(&mut file, size).ok()?;
    file.metadata().is_ok_and(|now| key_of(&now) == key).then_some(digest)
}

/// What a process runs, where that is the object: it may have no path any more, or never had one.
fn open_program(object: &Object, process: u32) -> Option<(Open, Key, u64)> {
    Served::of(process).filter(|served| !served.has(object.device, b""))?;
    let held = Open::options().read(true).custom_flags(libc::O_PATH).open(format!("/proc/{process}/exe")).ok()?;
    if !is_object(&held, object) {
        return None;
    }
    let file = Open::open(format!("/proc/self/fd/{}", held.as_raw_fd())).ok()?;
    let metadata = file.metadata().ok()?;
    Some((file, key_of(&metadata), metadata.len()))
}

/// Takes hold of what a process sees at a path, where that is the object.
fn hold(object: &Object, process: u32) -> Option<Open> {
    Served::of(process).filter(|served| !served.has(object.device, &object.path))?;
    let path = object.path.strip_prefix(b"/")?;
    let root = Open::options().read(true).custom_flags(libc::O_PATH).open(format!("/proc/{process}/root")).ok()?;
    let path = std::ffi::CString::new(path).ok()?;
    // SAFETY: plain numbers, of which zero is the right value for those not set
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (libc::O_PATH | libc::O_CLOEXEC) as u64;
    // the kernel gave the path with all links followed
    how.resolve = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_SYMLINKS;
    // SAFETY: two valid pointers, one with its size
    let fd =
        unsafe { libc::syscall(libc::SYS_openat2, root.as_raw_fd(), path.as_ptr(), &how, size_of::<libc::open_how>()) };
    // SAFETY: a descriptor that nobody else owns
    let held = Open::from(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).ok().filter(|fd| *fd >= 0)?) });
    is_object(&held, object).then_some(held)
}

/// Whether a file that is held is the one of the record.
fn is_object(held: &Open, object: &Object) -> bool {
    let Ok(metadata) = held.metadata() else { return false };
    let same_time = object.key.is_some_and(|key| key.ctime == key_of(&metadata).ctime);
    let same_device = metadata.dev() == object.device || same_time && has_devices_of_its_own(held);
    metadata.is_file() && metadata.ino() == object.inode && same_device
}

/// File systems that stat(2) shows under other devices than the kernel's records do.
fn has_devices_of_its_own(held: &Open) -> bool {
    const BTRFS: u64 = 0x9123_683e;
    const OVERLAY: u64 = 0x794c_7630;
    const BCACHEFS: u64 = 0xca45_1a4e;
    // SAFETY: plain numbers
    let mut statistics: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: an open descriptor and a valid pointer
    let failed = unsafe { libc::fstatfs(held.as_raw_fd(), &mut statistics) };
    failed == 0 && [BTRFS, OVERLAY, BCACHEFS].contains(&(statistics.f_type as u64 & 0xffff_ffff))
}

/// The device and inode of the program that a process runs.
pub fn program_of(process: u32) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(format!("/proc/{process}/exe")).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use super::*;

    fn object(path: &Path) -> Object {
        let metadata = std::fs::metadata(path).expect("it is there");
        let key = Some(key_of(&metadata));
        Object { device: metadata.dev(), inode: metadata.ino(), path: path.as_os_str().as_bytes().into(), key }
    }

    fn get(files: &mut Files, object: &mut Object) -> Result<Arc<File>, Vec<String>> {
        let mut said = Vec::new();
        let places = [std::process::id(), 0, 0, 0];
        files.get(object, places, &Watches::default(), &mut |text| said.push(text)).ok_or(said)
    }

    #[test]
    fn only_the_file_of_the_record_is_read() {
        let program = std::env::current_exe().expect("it runs");
        let folder = std::env::temp_dir().join(format!("tracee-files-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let (one, two) = (folder.join("one"), folder.join("two"));
        std::fs::write(&one, "text").expect("a file");
        std::fs::write(&two, "text").expect("a file");
        let mut files = Files::new();

        let mut right = object(&one);
        assert_eq!(get(&mut files, &mut right).expect_err("no ELF file").len(), 1);
        // said once
        assert_eq!(get(&mut files, &mut object(&one)).expect_err("no ELF file").len(), 0);
        // another file stands at the path
        let mut other = Object { path: object(&two).path, ..object(&one) };
        other.key = None;
        assert!(get(&mut files, &mut other).expect_err("gone")[0].contains("gone"));
        // a link stands there
        std::fs::remove_file(&two).expect("removed");
        std::os::unix::fs::symlink(&one, &two).expect("a link");
        other.path = two.as_os_str().as_bytes().into();
        assert!(get(&mut files, &mut other).is_err());
        // our own program has names, or none, but is an ELF file
        assert!(get(&mut files, &mut object(&program)).is_ok());
        // too large
        let large = Open::create(&two).expect("through the link");
        large.set_len(MOST_BYTES + 1).expect("a hole");
        assert!(get(&mut files, &mut object(&one)).expect_err("too large")[0].contains("64 MiB"));
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
