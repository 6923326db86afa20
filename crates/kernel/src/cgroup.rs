//! The root of the cgroup v2 hierarchy, which programs for all of its sockets are attached to.

use std::fs::{self, File};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use crate::error::{Doing, Result};

/// Where the whole hierarchy is mounted; `None`: nowhere, or only a part of it is.
pub fn place() -> Option<String> {
    mounted(&fs::read_to_string("/proc/self/mountinfo").ok()?)
}

fn mounted(mounts: &str) -> Option<String> {
    mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut words = place.split(' ').skip(3);
        let (root, place) = (words.next()?, words.next()?);
        (kind.starts_with("cgroup2 ") && root == "/").then(|| unescaped(place))
    })
}

/// The kernel writes white space and `\` in paths as three octal digits.
fn unescaped(path: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(path.to_owned(), |path, (escape, text)| path.replace(escape, text))
}

/// The root. Where it is mounted nowhere, it is mounted for us alone, at no place that others could see.
///
/// # Errors
/// The kernel has no cgroup v2, or we may not mount it.
pub fn root() -> Result<OwnedFd> {
    if let Some(folder) = place().and_then(|place| File::open(place).ok()) {
        return Ok(folder.into());
    }
    detached().doing("mount cgroup v2")
}

fn detached() -> io::Result<OwnedFd> {
    const CREATE: u32 = 6; // FSCONFIG_CMD_CREATE
    const CLOSE_ON_EXEC: u32 = 1; // FSOPEN_CLOEXEC, FSMOUNT_CLOEXEC
    let none = std::ptr::null::<libc::c_char>();
    // SAFETY: the name is a string with its NUL
    let context = descriptor(unsafe { libc::syscall(libc::SYS_fsopen, c"cgroup2".as_ptr(), CLOSE_ON_EXEC) })?;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&context);
    // SAFETY: an open descriptor; this command takes neither key nor value
    if unsafe { libc::syscall(libc::SYS_fsconfig, fd, CREATE, none, none, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: an open descriptor and numbers
    descriptor(unsafe { libc::syscall(libc::SYS_fsmount, fd, CLOSE_ON_EXEC, 0) })
}

fn descriptor(result: libc::c_long) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a descriptor that the kernel has just made, and nobody else owns
    Ok(unsafe { OwnedFd::from_raw_fd(result as i32) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_found_among_other_mounts() {
        let mounts = "24 23 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                      25 24 0:23 /kubepods /part rw - cgroup2 cgroup2 rw\n\
                      26 24 0:23 / /a\\040place rw,relatime shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(mounted(mounts), Some("/a place".into()));
        assert_eq!(mounted("24 23 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"), None);
    }

    #[test]
    fn it_can_be_mounted_for_us_alone() {
        // not everybody may
        match detached() {
            Ok(folder) => assert!(fs::read_dir(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&folder)))
                .expect("a folder")
                .flatten()
                .any(|entry| entry.file_name() == "cgroup.procs")),
            Err(error) => assert!(error.raw_os_error().is_some()),
        }
    }
}
