//! Files of securityfs, which is often not mounted: then it is mounted out of everybody's sight.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const MOUNTED: &str = "/sys/kernel/security";

/// The text of a file there, such as `lsm` or `lockdown`; `None` where it cannot be had.
pub fn read(name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("{MOUNTED}/{name}")).ok().or_else(|| read_unmounted(name))?;
    Some(text.trim().to_owned())
}

fn read_unmounted(name: &str) -> Option<String> {
    const FSOPEN_CLOEXEC: libc::c_int = 1;
    const FSCONFIG_CMD_CREATE: libc::c_int = 6;
    const FSMOUNT_CLOEXEC: libc::c_int = 1;
    let name = std::ffi::CString::new(name).ok()?;
    let none = std::ptr::null::<libc::c_char>();
    // SAFETY: system calls that take numbers and strings with their NUL, and give descriptors
    let file = unsafe {
        let context = descriptor(libc::syscall(libc::SYS_fsopen, c"securityfs".as_ptr(), FSOPEN_CLOEXEC))?;
        if libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), FSCONFIG_CMD_CREATE, none, none, 0) < 0 {
            return None;
        }
        let mount = descriptor(libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, 0))?;
        descriptor(libc::openat(mount.as_raw_fd(), name.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC).into())?
    };
    io::read_to_string(File::from(file)).ok()
}

/// # Safety
/// `result` is what a system call returned that makes a descriptor.
unsafe fn descriptor(result: libc::c_long) -> Option<OwnedFd> {
    // SAFETY: by the caller
    i32::try_from(result).ok().filter(|fd| *fd >= 0).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}
