//! A file that lines are appended to: it is moved aside when it has grown too large or too old, and opened anew when
//! somebody else has moved it away.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use rustix::fs::{openat, renameat, unlinkat, AtFlags, Mode, OFlags};
use rustix::io::Errno;

/// After a file could not be moved aside, that is tried again.
const AGAIN: Duration = Duration::from_secs(60);

/// When a file is moved aside, and how many of those are kept: `FILE.1` is the last, `FILE.2` the one before it.
#[derive(Debug)]
pub struct Rotation {
    /// The file's folder, and its name in there.
    pub folder: OwnedFd,
    pub name: OsString,
    /// In bytes; a file gets no larger, unless one block of lines is.
    pub size: Option<u64>,
    pub age: Option<Duration>,
    pub keep: u32,
}

impl Rotation {
    fn numbered(&self, number: u32) -> OsString {
        let mut name = self.name.clone();
        name.push(format!(".{number}"));
        name
    }

    /// Moves the file aside and makes another.
    fn turn(&self) -> io::Result<File> {
        let rename = |from: &OsString, to: &OsString| match renameat(&self.folder, from, &self.folder, to) {
            // somebody else has taken it away
            Err(Errno::NOENT) => Ok(()),
            other => other,
        };
        if self.keep == 0 {
            match unlinkat(&self.folder, &self.name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        for number in (1..self.keep).rev() {
            rename(&self.numbered(number), &self.numbered(number + 1))?;
        }
        if self.keep > 0 {
            rename(&self.name, &self.numbered(1))?;
        }
        // what stands there now was put there by somebody else
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.folder, self.name.as_bytes(), flags, Mode::RUSR | Mode::WUSR)?;
        Ok(File::from(file))
    }
}

/// Where a writer puts its blocks, each of which is whole lines.
pub struct Destination {
    file: File,
    /// What every file begins with.
    head: Vec<u8>,
    rotation: Option<Rotation>,
    size: u64,
    since: Instant,
    /// Not to be moved aside before.
    not_before: Option<Instant>,
}

impl Destination {
    /// `head`: what a file that is begun later begins with; who gives the blocks puts it into the first himself. With a
    /// `rotation`, what is in the file already is moved aside.
    pub fn new(file: File, head: Vec<u8>, rotation: Option<Rotation>) -> io::Result<Destination> {
        let size = file.metadata()?.len();
        let mut made = Destination { file, head, rotation, size, since: Instant::now(), not_before: None };
        if let Some(rotation) = made.rotation.as_ref().filter(|_| size > 0) {
            made.file = rotation.turn()?;
            made.size = 0;
        }
        Ok(made)
    }

    /// Writes lines to the file, or to the next one. The remark says why there is no next one, where that is so.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn write(&mut self, block: &[u8]) -> io::Result<Option<String>> {
        let remark = self.turn_if_due(block.len() as u64)?;
        self.file.write_all(block)?;
        self.size += block.len() as u64;
        Ok(remark)
    }

    /// Goes on in another file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn replace(&mut self, file: File) -> io::Result<()> {
        self.size = file.metadata()?.len();
        self.file = file;
        self.since = Instant::now();
        if self.size == 0 {
            self.file.write_all(&self.head)?;
            self.size = self.head.len() as u64;
        }
        Ok(())
    }

    fn turn_if_due(&mut self, more: u64) -> io::Result<Option<String>> {
        let Some(rotation) = &self.rotation else { return Ok(None) };
        let large = rotation.size.is_some_and(|size| self.size + more > size);
        let old = rotation.age.is_some_and(|age| self.since.elapsed() >= age);
        let begun = self.size > self.head.len() as u64;
        if !(large || old) || !begun || self.not_before.is_some_and(|moment| Instant::now() < moment) {
            return Ok(None);
        }
        match rotation.turn() {
            Ok(file) => {
                self.not_before = None;
                self.replace(file).map(|()| None)
            }
            Err(error) => {
                self.not_before = Some(Instant::now() + AGAIN);
                Ok(Some(format!("{} cannot be moved aside: {error}", rotation.name.to_string_lossy())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn begin(folder: &Path, size: Option<u64>, age: Option<Duration>, keep: u32) -> Destination {
        let at = OwnedFd::from(File::open(folder).unwrap());
        let file = File::options().append(true).create(true).open(folder.join("f")).unwrap();
        let rotation = Rotation { folder: at, name: "f".into(), size, age, keep };
        Destination::new(file, b"head\n".to_vec(), Some(rotation)).unwrap()
    }

    fn text(folder: &Path, name: &str) -> String {
        fs::read_to_string(folder.join(name)).unwrap()
    }

    #[test]
    fn by_size_with_so_many_kept() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("f"), "older\n").unwrap();
        let mut to = begin(folder.path(), Some(14), None, 2);
        assert_eq!(text(folder.path(), "f.1"), "older\n");
        to.write(b"head\n").unwrap();
        for line in [b"one\n", b"two\n", b"thr\n", b"fou\n", b"fiv\n"] {
            assert_eq!(to.write(line).unwrap(), None);
        }
        assert_eq!(text(folder.path(), "f.2"), "head\none\ntwo\n");
        assert_eq!(text(folder.path(), "f.1"), "head\nthr\nfou\n");
        assert_eq!(text(folder.path(), "f"), "head\nfiv\n");
        assert!(!folder.path().join("f.3").exists());
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(folder.path().join("f")).unwrap());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn by_age() {
        let folder = tempfile::tempdir().unwrap();
        let mut to = begin(folder.path(), None, Some(Duration::ZERO), 1);
        to.write(b"head\n").unwrap();
        to.write(b"one\n").unwrap();
        to.write(b"two\n").unwrap();
        assert_eq!(text(folder.path(), "f.1"), "head\none\n");
        assert_eq!(text(folder.path(), "f"), "head\ntwo\n");
    }

    #[test]
    fn nothing_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut to = begin(folder.path(), Some(9), None, 0);
        for line in [b"one\n", b"two\n", b"thr\n"] {
            to.write(line).unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn where_it_cannot_be_moved_it_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut to = begin(folder.path(), Some(4), None, 1);
        fs::create_dir(folder.path().join("f.1")).unwrap();
        to.write(b"head\n").unwrap();
        to.write(b"one\n").unwrap();
        let remark = to.write(b"two\n").unwrap().unwrap();
        assert!(remark.starts_with("f cannot be moved aside: "), "{remark}");
        assert_eq!(to.write(b"thr\n").unwrap(), None, "told once");
        assert_eq!(text(folder.path(), "f"), "head\none\ntwo\nthr\n");
    }

    #[test]
    fn another_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut to = begin(folder.path(), None, None, 1);
        to.write(b"head\n").unwrap();
        fs::rename(folder.path().join("f"), folder.path().join("moved")).unwrap();
        to.write(b"one\n").unwrap();
        to.replace(File::create(folder.path().join("f")).unwrap()).unwrap();
        to.write(b"two\n").unwrap();
        assert_eq!(text(folder.path(), "moved"), "head\none\n");
        assert_eq!(text(folder.path(), "f"), "head\ntwo\n");
    }
}
