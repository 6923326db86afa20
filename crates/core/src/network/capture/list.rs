//! The list of what was captured: `metadata.json`, an array that is whole after every entry.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use serde::Serialize;

const END: &[u8] = b"\n]\n";

/// Entries are appended; those of earlier runs stay.
pub struct List {
    file: std::fs::File,
    /// Up to the end of the last entry.
    length: u64,
    is_empty: bool,
}

impl List {
    pub const NAME: &str = "metadata.json";

    /// # Errors
    /// It cannot be opened, or what is there is no such list.
    pub fn open(folder: &OwnedFd) -> io::Result<List> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let mut file = std::fs::File::from(rustix::fs::openat(folder, List::NAME, flags, Mode::from(0o600))?);
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other("is no file"));
        }
        if found.len() == 0 {
            let mut list = List { file, length: 1, is_empty: true };
            list.put(0, b"[")?;
            return Ok(list);
        }
        let mut start = [0; 1];
        let mut end = [0; END.len()];
        file.read_exact(&mut start)?;
        file.seek(SeekFrom::End(-(END.len() as i64)))?;
        file.read_exact(&mut end)?;
        if &start != b"[" || end != END {
            return Err(io::Error::other("is no list of captures: move it away, or capture elsewhere"));
        }
        let length = found.len() - END.len() as u64;
        Ok(List { file, length, is_empty: length == 1 })
    }

    /// # Errors
    /// It could not be written; the list is as it was.
    pub fn add(&mut self, entry: &impl Serialize) -> io::Result<()> {
        let mut text: Vec<u8> = if self.is_empty { b"\n".to_vec() } else { b",\n".to_vec() };
        serde_json::to_writer(&mut text, entry)?;
        self.put(self.length, &text)?;
        self.length += text.len() as u64;
        self.is_empty = false;
        Ok(())
    }

    /// Writes at a place, and the end after it; should that fail, the end goes back to where it was.
    fn put(&mut self, at: u64, text: &[u8]) -> io::Result<()> {
        let result = self.write_at(at, &[text, END].concat());
        if result.is_err() && at > 0 {
            self.write_at(at, END)?;
            self.file.set_len(at + END.len() as u64)?;
        }
        result
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(bytes)
    }
}
