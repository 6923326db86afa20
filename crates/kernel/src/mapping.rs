//! A map's memory in ours.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

use crate::error::{Doing, Result};

/// A mapping of a BPF map, undone when dropped.
pub struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: a Mapping is an address range that stays until it is dropped, and has no ties to a thread
unsafe impl Send for Mapping {}
// SAFETY: as above; what is read and written through it is the user's affair (atomics)
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `length` bytes from `offset` on.
    pub fn new(what: &str, fd: BorrowedFd, offset: u64, length: usize, writable: bool) -> Result<Mapping> {
        let protection = libc::PROT_READ | if writable { libc::PROT_WRITE } else { 0 };
        Mapping::map(what, fd, offset, length, protection, libc::MAP_SHARED)
    }

    /// Maps the first `length` bytes of a file that does not change.
    pub fn of_file(what: &str, fd: BorrowedFd, length: usize) -> Result<Mapping> {
        Mapping::map(what, fd, 0, length, libc::PROT_READ, libc::MAP_PRIVATE)
    }

    fn map(
        what: &str,
        fd: BorrowedFd,
        offset: u64,
        length: usize,
        protection: libc::c_int,
        flags: libc::c_int,
    ) -> Result<Mapping> {
        let (at, fd, offset) = (std::ptr::null_mut(), fd.as_raw_fd(), offset as libc::off_t);
        // SAFETY: a new mapping at an address that the kernel chooses disturbs nothing
        let start = unsafe { libc::mmap(at, length, protection, flags, fd, offset) };
        let start = if start == libc::MAP_FAILED { Err(std::io::Error::last_os_error()) } else { Ok(start.cast()) };
        let start = start.doing(format!("map the memory of {what}"))?;
        Ok(Mapping { start: NonNull::new(start).expect("the kernel maps nothing at 0"), length })
    }

    /// The address of a `T` at `offset`; panics where that is not inside, or not aligned.
    pub fn at<T>(&self, offset: usize) -> *mut T {
        assert!(offset + size_of::<T>() <= self.length && offset.is_multiple_of(align_of::<T>()));
        // SAFETY: inside the mapping, by the assertion
        unsafe { self.start.as_ptr().add(offset).cast() }
    }

    /// The address at `offset`, of `length` bytes that are inside.
    pub fn bytes(&self, offset: usize, length: usize) -> *const u8 {
        assert!(offset + length <= self.length);
        // SAFETY: inside the mapping, by the assertion
        unsafe { self.start.as_ptr().add(offset) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: what new() mapped, and nothing that borrows from it outlives its owner
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

pub fn page_size() -> usize {
    // SAFETY: asks for a number
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}
