//! One file of packets.

use std::io::{self, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Kept, Owner, Split};
use crate::network::pcap::{file_header, packet_header};
use crate::text;

/// Bytes that wait to be written.
const BUFFER: usize = 32 << 10;
/// Names that are tried, where others are taken.
const NAMES: u32 = 100;

/// A file of packets. What could not be written is cut off again, so that it ends with a whole packet.
pub struct File {
    pub name: String,
    owner: Process,
    file: Option<std::fs::File>,
    is_made: bool,
    /// Bytes in the file.
    length: u64,
    hash: Sha256,
    waiting: Vec<u8>,
    /// What is in `waiting`.
    unwritten: Kept,
    first: u64,
    last: u64,
    pub kept: Kept,
}

/// Whose packets they are. Of several, the first.
#[derive(Debug, Clone, Serialize)]
struct Process {
    pid: u32,
    command: String,
    executable: String,
    container: String,
}

/// A file, as the list has it.
#[derive(Debug, Serialize)]
pub struct Entry<'a> {
    file: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    process: &'a Process,
    /// ns since 1970, of the first packet and the last
    first: u64,
    last: u64,
    packets: u64,
    bytes: u64,
    lost_packets: u64,
    lost_bytes: u64,
    size: u64,
    sha256: String,
}

impl File {
    /// `wall`: of the first packet.
    pub fn new(split: Split, owner: &Owner, wall: u64) -> File {
        let seconds = wall / 1_000_000_000;
        let name = match split {
            Split::Process => format!("capture-{seconds}-{}", owner.pid),
            Split::Container if owner.container.is_empty() => format!("capture-{seconds}-host"),
            Split::Container => format!("capture-{seconds}-{}", harmless(owner.container.as_bytes())),
            Split::Command => format!("capture-{seconds}-{}", harmless(owner.command)),
            Split::Single => format!("capture-{seconds}"),
        };
        let process = Process {
            pid: owner.pid,
            command: text::escape(owner.command),
            executable: text::escape(owner.executable),
            container: owner.container.to_owned(),
        };
        File {
            name,
            owner: process,
            file: None,
            is_made: false,
            length: 0,
            hash: Sha256::new(),
            waiting: Vec::new(),
            unwritten: Kept::default(),
            first: wall,
            last: wall,
            kept: Kept::default(),
        }
    }

    pub fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Takes a packet; writes when enough wait.
    ///
    /// # Errors
    /// Those that waited could not be written, and are lost: they are counted.
    pub fn packet(&mut self, folder: &OwnedFd, wall: u64, bytes: &[u8], length: u32) -> io::Result<()> {
        (self.first, self.last) = (self.first.min(wall), self.last.max(wall));
        self.waiting.extend_from_slice(&packet_header(wall, bytes.len() as u32, length));
        self.waiting.extend_from_slice(bytes);
        self.unwritten.packets += 1;
        self.unwritten.bytes += bytes.len() as u64;
        if self.waiting.len() >= BUFFER || !self.is_open() {
            self.flush(folder)?;
        }
        Ok(())
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// It could not be written, and is lost: it is counted.
    pub fn flush(&mut self, folder: &OwnedFd) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let result = self.open(folder).and_then(|()| self.write());
        let done = std::mem::take(&mut self.unwritten);
        match result {
            Ok(()) => self.kept.add(done),
            Err(_) => {
                self.kept.lost_packets += done.packets;
                self.kept.lost_bytes += done.bytes;
            }
        }
        self.waiting.clear();
        result
    }

    /// Writes what waits and closes the file. What comes after opens it again.
    ///
    /// # Errors
    /// As [`File::flush`].
    pub fn close(&mut self, folder: &OwnedFd) -> io::Result<()> {
        let result = self.flush(folder);
        self.file = None;
        self.waiting = Vec::new();
        result
    }

    pub fn entry(&self) -> Entry<'_> {
        Entry {
            file: &self.name,
            kind: "pcap",
            process: &self.owner,
            first: self.first,
            last: self.last,
            packets: self.kept.packets,
            bytes: self.kept.bytes,
            lost_packets: self.kept.lost_packets,
            lost_bytes: self.kept.lost_bytes,
            size: self.length,
            sha256: data_encoding::HEXLOWER.encode(&self.hash.clone().finalize()),
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let header = if self.length == 0 { file_header().to_vec() } else { Vec::new() };
        let result = file.write_all(&header).and_then(|()| file.write_all(&self.waiting));
        if let Err(error) = result {
            // half a packet would spoil what comes after it
            file.set_len(self.length)?;
            return Err(error);
        }
        self.length += (header.len() + self.waiting.len()) as u64;
        self.hash.update(&header);
        self.hash.update(&self.waiting);
        Ok(())
    }

    /// Opens the file, or makes it under a name that is not taken.
    fn open(&mut self, folder: &OwnedFd) -> io::Result<()> {
        if self.file.is_some() {
            return Ok(());
        }
        let common = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if self.is_made {
            let file = std::fs::File::from(rustix::fs::openat(folder, self.name.as_str(), common, Mode::empty())?);
            let found = file.metadata()?;
            if !found.is_file() || found.len() != self.length {
                return Err(io::Error::other("is not as it was left"));
            }
            self.file = Some(file);
            return Ok(());
        }
        for number in 1..=NAMES {
            let name = if number == 1 { format!("{}.pcap", self.name) } else { format!("{}-{number}.pcap", self.name) };
            match rustix::fs::openat(folder, name.as_str(), common | OFlags::CREATE | OFlags::EXCL, Mode::from(0o600)) {
                Ok(file) => {
                    (self.file, self.is_made, self.name) = (Some(file.into()), true, name);
                    return Ok(());
                }
                Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::from(io::ErrorKind::AlreadyExists))
    }
}

/// A part of a file's name: what could lead elsewhere, or puzzle a shell, is replaced.
fn harmless(bytes: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
    bytes.iter().take(64).map(|byte| if plain(byte) { char::from(*byte) } else { '_' }).collect()
}
