//! Packets kept in files, one a process or as asked, with a list beside them that says what each is.
//!
//! The folder may be full, or written to by others: what cannot be written is counted and told, and tracing goes on. Files
//! are made anew and for us alone, and no link is followed.

mod file;
mod list;

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use lru::LruCache;
use serde::Deserialize;

use file::File;
pub use list::List;

/// Files that are open at a time; those that were silent longest are closed, and opened again for what comes.
const OPEN: usize = 64;
/// Files that are not finished; beyond them those that were silent longest are.
const FILES: usize = 4096;

/// How packets are kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub folder: PathBuf,
    #[serde(default)]
    pub split: Split,
    /// Bytes of a packet that are kept at most.
    #[serde(default = "whole")]
    pub snap_length: u32,
}

fn whole() -> u32 {
    262_144
}

/// What has a file of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    #[default]
    Process,
    Container,
    Command,
    /// There is one file.
    Single,
}

/// Whose packet it is.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// As the host numbers it.
    pub pid: u32,
    /// ns since boot; tells processes of one number apart.
    pub start_time: u64,
    pub command: &'a [u8],
    pub executable: &'a [u8],
    /// Its id; empty for a task of the host.
    pub container: &'a str,
}

/// What was kept, and what was not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    pub packets: u64,
    /// Bytes of packets, without the format's own.
    pub bytes: u64,
    pub lost_packets: u64,
    pub lost_bytes: u64,
}

impl Kept {
    fn add(&mut self, other: Kept) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.lost_packets += other.lost_packets;
        self.lost_bytes += other.lost_bytes;
    }
}

/// The files of one folder.
pub struct Captures {
    settings: Settings,
    folder: OwnedFd,
    /// The most recently written first.
    files: LruCache<u64, File>,
    hasher: RandomState,
    open: usize,
    list: List,
    finished: Kept,
    problem: Option<String>,
}

impl Captures {
    /// # Errors
    /// The folder cannot be made or opened, or holds a `metadata.json` that is none of ours: one line with its name.
    pub fn new(settings: Settings) -> Result<Captures, String> {
        let place = |e: io::Error| format!("{}: {e}", settings.folder.display());
        let folder = open_folder(&settings.folder).map_err(place)?;
        let list = List::open(&folder).map_err(|e| format!("{}/{}: {e}", settings.folder.display(), List::NAME))?;
        let (files, finished) = (LruCache::unbounded(), Kept::default());
        let hasher = RandomState::new();
        Ok(Captures { settings, folder, files, hasher, open: 0, list, finished, problem: None })
    }

    /// Keeps a packet. `wall`: ns since 1970; `bytes`: from the IP header on, of `length`.
    pub fn packet(&mut self, owner: &Owner, wall: u64, bytes: &[u8], length: u32) {
        let bytes = &bytes[..bytes.len().min(self.settings.snap_length as usize)];
        let key = self.key(owner);
        let mut file = match self.files.pop(&key) {
            Some(file) => file,
            None => File::new(self.settings.split, owner, wall),
        };
        let was_open = file.is_open();
        let result = file.packet(&self.folder, wall, bytes, length);
        self.note(&file.name, result);
        self.open = self.open - usize::from(was_open) + usize::from(file.is_open());
        self.files.put(key, file);
        if self.open > OPEN {
            self.close_oldest();
        }
        if self.files.len() > FILES {
            if let Some((_, oldest)) = self.files.pop_lru() {
                self.finish(oldest);
            }
        }
    }

    /// A process has ended: so has its file.
    pub fn ended(&mut self, owner: &Owner) {
        if self.settings.split == Split::Process {
            let key = self.key(owner);
            if let Some(file) = self.files.pop(&key) {
                self.finish(file);
            }
        }
    }

    /// Writes what is waiting in buffers.
    pub fn flush(&mut self) {
        let folder = &self.folder;
        let mut problem = None;
        let mut open = 0;
        for (_, file) in self.files.iter_mut().filter(|(_, file)| file.is_open()) {
            if let Err(error) = file.flush(folder) {
                problem.get_or_insert_with(|| format!("{}: {error}", file.name));
            }
            open += usize::from(file.is_open());
        }
        self.open = open;
        self.problem = self.problem.take().or(problem);
    }

    /// Finishes all files.
    pub fn close(&mut self) {
        while let Some((_, file)) = self.files.pop_lru() {
            self.finish(file);
        }
    }

    /// What was kept so far, by all files.
    pub fn kept(&self) -> Kept {
        let mut kept = self.finished;
        self.files.iter().for_each(|(_, file)| kept.add(file.kept));
        kept
    }

    /// What went wrong since this was asked last: the first thing, in one line.
    pub fn problem(&mut self) -> Option<String> {
        self.problem.take()
    }

    /// The file that the owner's packets go to.
    pub(crate) fn key(&self, owner: &Owner) -> u64 {
        match self.settings.split {
            Split::Process => self.hasher.hash_one((owner.pid, owner.start_time)),
            Split::Container => self.hasher.hash_one(owner.container),
            Split::Command => self.hasher.hash_one(owner.command),
            Split::Single => 0,
        }
    }

    fn close_oldest(&mut self) {
        let mut silent = self.files.iter_mut().rev().filter(|(_, file)| file.is_open());
        if let Some((_, file)) = silent.next() {
            let (name, result) = (file.name.clone(), file.close(&self.folder));
            self.open -= 1;
            self.note(&name, result);
        }
    }

    fn finish(&mut self, mut file: File) {
        let was_open = file.is_open();
        let result = file.close(&self.folder);
        self.note(&file.name, result);
        self.open -= usize::from(was_open);
        self.finished.add(file.kept);
        let listed = self.list.add(&file.entry());
        self.note(List::NAME, listed);
    }

    fn note(&mut self, name: &str, result: io::Result<()>) {
        if let Err(error) = result {
            let place = self.settings.folder.join(name);
            self.problem.get_or_insert_with(|| format!("{}: {error}", place.display()));
        }
    }
}

impl Drop for Captures {
    fn drop(&mut self) {
        self.close();
    }
}

fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    Ok(std::fs::File::open(path)?.into())
}
