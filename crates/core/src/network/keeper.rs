//! Which packets are kept in files, and in which: each once, though loopback shows it twice.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

use super::capture::{Captures, Kept, Owner, Settings};
use super::{Direction, PacketMeta};
use crate::record::Head;

/// Packets on loopback that were sent and not yet seen to come in, at most.
const LOOPING: usize = 8192;
/// In every network namespace the first interface is loopback.
const LOOPBACK: u32 = 1;
/// Bytes by which packets are told apart: all headers, with the numbers of TCP or the checksum of others.
const TOLD_BY: usize = 128;

/// Keeps packets of processes in files.
pub struct Keeper {
    captures: Captures,
    looping: Looping,
}

impl Keeper {
    /// # Errors
    /// The folder cannot be used: one line with its name.
    pub fn new(settings: Settings) -> Result<Keeper, String> {
        Ok(Keeper { captures: Captures::new(settings)?, looping: Looping::default() })
    }

    /// `wall`: the packet's time in ns since 1970; `executable` and `container` (its id): of the packet's process, empty
    /// where there is none or it is not known.
    pub fn packet(
        &mut self,
        head: &Head,
        meta: &PacketMeta,
        executable: &[u8],
        container: &str,
        wall: u64,
        bytes: &[u8],
    ) {
        let task = &head.task;
        // threads of a process share its file, and begin at other times
        let owner = Owner { pid: task.host_pid, start_time: 0, command: task.comm(), executable, container };
        let file = self.captures.key(&owner);
        if meta.ifindex != LOOPBACK || !self.looping.is_second(file, meta.direction, bytes, meta.original_length) {
            self.captures.packet(&owner, wall, bytes, meta.original_length);
        }
    }

    /// A process begins by this number: what was kept of another is finished. It was not when that ended, for the kernel
    /// goes on to speak in its place.
    pub fn begun(&mut self, pid: u32) {
        self.captures.ended(&Owner { pid, start_time: 0, command: b"", executable: b"", container: "" });
    }

    pub fn flush(&mut self) {
        self.captures.flush();
    }

    pub fn kept(&self) -> Kept {
        self.captures.kept()
    }

    /// What went wrong since this was asked last.
    pub fn problem(&mut self) -> Option<String> {
        self.captures.problem()
    }
}

/// Packets that a process sends to itself, or to another that shares its file: they are seen on their way out and in.
#[derive(Default)]
struct Looping {
    sent: HashMap<u64, u32>,
    order: VecDeque<u64>,
    hasher: RandomState,
}

impl Looping {
    /// Whether this is a packet that has been seen in that file already.
    fn is_second(&mut self, file: u64, direction: Direction, bytes: &[u8], length: u32) -> bool {
        let packet = self.hasher.hash_one((file, length, &bytes[..bytes.len().min(TOLD_BY)]));
        if direction == Direction::Egress {
            *self.sent.entry(packet).or_default() += 1;
            self.order.push_back(packet);
            if self.order.len() > LOOPING {
                if let Some(oldest) = self.order.pop_front() {
                    self.take(oldest);
                }
            }
            return false;
        }
        self.take(packet)
    }

    /// Whether it was there.
    fn take(&mut self, packet: u64) -> bool {
        let Some(count) = self.sent.get_mut(&packet) else { return false };
        *count -= 1;
        if *count == 0 {
            self.sent.remove(&packet);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_in_was_sent_before_by_the_same() {
        let mut looping = Looping::default();
        let mut second = |file, direction, bytes: &[u8]| looping.is_second(file, direction, bytes, 9);
        assert!(!second(1, Direction::Egress, b"one"));
        assert!(!second(1, Direction::Egress, b"one"));
        assert!(!second(2, Direction::Ingress, b"one"), "another file");
        assert!(second(1, Direction::Ingress, b"one"));
        assert!(second(1, Direction::Ingress, b"one"));
        assert!(!second(1, Direction::Ingress, b"one"), "it was sent twice only");
        assert!(!second(1, Direction::Ingress, b"two"));
    }

    #[test]
    fn what_never_comes_in_is_forgotten() {
        let mut looping = Looping::default();
        for number in 0..3 * LOOPING {
            looping.is_second(1, Direction::Egress, &number.to_le_bytes(), 8);
        }
        assert_eq!((looping.sent.len(), looping.order.len()), (LOOPING, LOOPING));
        assert!(looping.is_second(1, Direction::Ingress, &(3 * LOOPING - 1).to_le_bytes(), 8));
        assert!(!looping.is_second(1, Direction::Ingress, &0usize.to_le_bytes(), 8));
    }
}
