//! Files of securityfs and tracefs, which are often not mounted: then they are mounted out of everybody's sight.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// The text of a file of securityfs, such as `lsm` or `lockdown`; `None` where it cannot be had.
pub fn read(name: &str) -> Option<String> {
    Some(read_from(c"securityfs", "/sys/kernel/security", name)?.trim().to_owned())
}

/// The text of a file of tracefs; `None` where it cannot be had.
pub fn read_tracefs(name: &str) -> Option<String> {
    read_from(c"tracefs", "/sys/kernel/tracing", name)
}

fn read_from(filesystem: &CStr, mounted: &str, name: &str) -> Option<String> {
    fs::read_to_string(format!("{mounted}/{name}")).ok().or_else(|| read_unmounted(filesystem, name))
}

fn read_unmounted(filesystem: &CStr, name: &str) -> Option<String> {
    const FSOPEN_CLOEXEC: libc::c_int = 1;
    const FSCONFIG_CMD_CREATE: libc::c_int = 6;
    const FSMOUNT_CLOEXEC: libc::c_int = 1;
    let name = std::ffi::CString::new(name).ok()?;
    let none = std::ptr::null::<libc::c_char>();
    // SAFETY: system calls that take numbers and strings with their NUL, and give descriptors
    let file = unsafe {
        let context = descriptor(libc::syscall(libc::SYS_fsopen, filesystem.as_ptr(), FSOPEN_CLOEXEC))?;
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
