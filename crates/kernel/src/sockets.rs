//! Sockets from before the start: whose they are is kept with them, as it is with those that are made later.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::MetadataExt;

use libbpf_rs::{ErrorKind, Iter, Link, Map, MapCore, MapFlags};

use crate::error::{Doing, Result};

/// Goes through all open files, and tells of those that are sockets.
pub const PROGRAM: &str = "tracee_task_file_iter";
/// What is kept with a socket, by a descriptor of it.
pub const OWNERS: &str = "tracee_owners";

/// Of `struct socket_found` of bpf/include/owner.h: the bytes before the owner.
const HEAD: usize = 16;

/// Runs the program, and keeps what it tells. A socket that a task has used since we began is left as it is, and so is
/// one that is gone by now.
pub fn find_owners(link: &Link, owners: &Map) -> Result<()> {
    let mut told = Vec::new();
    Iter::new(link).doing("look for sockets")?.read_to_end(&mut told).doing("look for sockets")?;
    let mut process: Option<(u32, File)> = None;
    for found in told.chunks_exact(HEAD + owners.value_size() as usize) {
        let (head, owner) = found.split_at(HEAD);
        let (pid, fd, inode) =
            (word(head, 0), word(head, 4), u64::from(word(head, 8)) | u64::from(word(head, 12)) << 32);
        if process.as_ref().is_none_or(|(known, _)| *known != pid) {
            process = opened(libc::SYS_pidfd_open, [pid.into(), 0, 0]).map(|opened| (pid, opened));
        }
        let Some((_, process)) = &process else { continue };
        let socket = opened(libc::SYS_pidfd_getfd, [process.as_raw_fd().into(), fd.into(), 0]);
        let is_found = |socket: &File| socket.metadata().is_ok_and(|found| found.ino() == inode);
        if let Some(socket) = socket.filter(is_found) {
            keep(owners, &socket, owner)?;
        }
    }
    Ok(())
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

/// What a system call opens, or `None`: the process has ended, or closed it.
fn opened(call: i64, [a, b, c]: [i64; 3]) -> Option<File> {
    // SAFETY: both calls take numbers only, and give a descriptor that is ours
    let fd = unsafe { libc::syscall(call, a, b, c) };
    (fd >= 0).then(|| unsafe { File::from_raw_fd(fd as i32) })
}

fn keep(owners: &Map, socket: &File, owner: &[u8]) -> Result<()> {
    match owners.update(&socket.as_raw_fd().to_ne_bytes(), owner, MapFlags::NO_EXIST) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error).doing("keep whose a socket is"),
        _ => Ok(()),
    }
}
