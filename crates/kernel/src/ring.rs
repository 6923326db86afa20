//! Reading a BPF ring buffer in place.
//!
//! The layout is the kernel's (kernel/bpf/ringbuf.c): a page with the consumer's position, which is ours to write, a page
//! with the producers', then the data, mapped twice in a row so that a record never wraps.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use libbpf_rs::MapHandle;
use tracee_core::merge::Queue;

use crate::error::Result;
use crate::mapping::{page_size, Mapping};

const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
const HEADER: u64 = 8;
/// The position is told to the kernel at least this often.
const PUBLISH: u64 = 64 << 10;

pub struct Ring {
    map: MapHandle,
    consumer: Mapping,
    producer: Mapping,
    bytes: u64,
    /// Where we are, where the kernel thinks we are, and how far the kernel was when we last looked.
    position: u64,
    published: u64,
    end: u64,
}

impl Ring {
    /// `bytes`: the ring's size, as it was made.
    pub fn new(map: MapHandle, bytes: u64) -> Result<Ring> {
        let page = page_size();
        let consumer = Mapping::new("a ring", map.as_fd(), 0, page, true)?;
        let producer = Mapping::new("a ring", map.as_fd(), page as u64, page + 2 * bytes as usize, false)?;
        let mut ring = Ring { map, consumer, producer, bytes, position: 0, published: 0, end: 0 };
        ring.position = ring.consumer_position().load(Ordering::Acquire);
        ring.published = ring.position;
        Ok(ring)
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }

    /// Nothing is there and nothing is being written.
    pub fn is_idle(&self) -> bool {
        self.producer_position().load(Ordering::SeqCst) == self.position
    }

    /// Gives what was read back to the kernel.
    pub fn publish(&mut self) {
        if self.published != self.position {
            self.published = self.position;
            self.consumer_position().store(self.position, Ordering::Release);
        }
    }

    fn consumer_position(&self) -> &AtomicU64 {
        // SAFETY: an aligned u64 inside the mapping, which lives as long as self; the kernel reads it atomically
        unsafe { AtomicU64::from_ptr(self.consumer.at(0)) }
    }

    fn producer_position(&self) -> &AtomicU64 {
        // SAFETY: as above; it is only loaded, for the mapping is read-only
        unsafe { AtomicU64::from_ptr(self.producer.at(0)) }
    }

    /// The header of the record at our position: length and flags.
    fn header(&self) -> u32 {
        let offset = offset_of(self.bytes, self.position);
        // SAFETY: as above; records start at multiples of 8
        unsafe { AtomicU32::from_ptr(self.producer.at(offset)) }.load(Ordering::Acquire)
    }

    fn skip(&mut self, length: u32) {
        self.position += (HEADER + u64::from(length)).next_multiple_of(8);
        if self.position - self.published >= PUBLISH {
            self.publish();
        }
    }

    /// The first whole record's bytes.
    fn first(&mut self) -> Option<(*const u8, u32)> {
        loop {
            if self.position == self.end {
                self.end = self.producer_position().load(Ordering::Acquire);
                if self.position == self.end {
                    return None;
                }
            }
            let header = self.header();
            if header & BUSY != 0 {
                return None;
            }
            let length = header & !DISCARDED;
            if header & DISCARDED == 0 {
                let offset = offset_of(self.bytes, self.position) + HEADER as usize;
                return Some((self.producer.bytes(offset, length as usize), length));
            }
            self.skip(length);
        }
    }
}

/// The offset of a position's header in the producer's mapping.
fn offset_of(bytes: u64, position: u64) -> usize {
    static PAGE: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    PAGE.get_or_init(page_size) + (position & (bytes - 1)) as usize
}

impl Queue for Ring {
    fn first_time(&mut self) -> Option<u64> {
        loop {
            let (data, length) = self.first()?;
            if length >= 8 {
                // SAFETY: 8 bytes that the kernel has finished writing, at a multiple of 8
                return Some(unsafe { data.cast::<u64>().read() });
            }
            self.skip(length);
        }
    }

    fn take_first(&mut self, take: &mut dyn FnMut(&[u8])) {
        if let Some((data, length)) = self.first() {
            // SAFETY: the kernel has finished writing these bytes, and writes there again only once publish() has told it
            // that they are read, which happens below
            take(unsafe { std::slice::from_raw_parts(data, length as usize) });
            self.skip(length);
        }
    }
}
