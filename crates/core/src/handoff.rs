//! Blocks of text for another thread of this process, such as the one that feeds the sinks. Whoever writes never waits:
//! what finds no room is counted.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::pipeline::{Sink, BLOCK};

/// The pipeline's end. Dropped: there will be no more.
pub struct Handoff {
    shared: Arc<Shared>,
    /// Bytes that may wait.
    room: usize,
}

/// The other end.
#[derive(Clone)]
pub struct Taker {
    shared: Arc<Shared>,
}

/// Lines, one an event.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub text: Vec<u8>,
    pub events: u64,
    /// Events that found no room since the last time. They came after what was taken then.
    pub lost: u64,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    blocks: VecDeque<Vec<u8>>,
    bytes: usize,
    lost: u64,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Both ends of a hand-over in which `room` bytes may wait.
pub fn handoff(room: usize) -> (Handoff, Taker) {
    let shared = Arc::<Shared>::default();
    (Handoff { shared: shared.clone(), room }, Taker { shared })
}

/// Events in a block: the formats that are handed over write one line each.
fn lines(block: &[u8]) -> u64 {
    block.iter().filter(|byte| **byte == b'\n').count() as u64
}

impl Sink for Handoff {
    fn write(&mut self, block: &mut Vec<u8>) {
        let mut queue = self.shared.lock();
        if queue.bytes + block.len() > self.room {
            queue.lost += lines(block);
            block.clear();
            return;
        }
        queue.bytes += block.len();
        match queue.blocks.back_mut() {
            // while few events come, blocks are small, and who takes them rather has one
            Some(last) if last.len() + block.len() <= BLOCK => {
                last.extend_from_slice(block);
                block.clear();
            }
            _ => queue.blocks.push_back(std::mem::take(block)),
        }
        drop(queue);
        self.shared.changed.notify_one();
    }
}

impl Drop for Handoff {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Taker {
    /// The oldest block. Waits up to `patience` for its first event, then up to `linger` for more, unless it is full.
    /// Empty where nothing came; `None`: there will be no more.
    pub fn take(&self, patience: Duration, linger: Duration) -> Option<Taken> {
        let waiting = |queue: &mut Queue| queue.blocks.is_empty() && queue.lost == 0 && !queue.closed;
        let queue = self.wait(self.shared.lock(), patience, waiting);
        let filling = |queue: &mut Queue| queue.bytes < BLOCK && queue.lost == 0 && !queue.closed;
        let linger = if queue.bytes == 0 { Duration::ZERO } else { linger };
        let mut queue = self.wait(queue, linger, filling);
        let text = queue.blocks.pop_front().unwrap_or_default();
        queue.bytes -= text.len();
        // where blocks are left, what was lost came after them
        let lost = if queue.blocks.is_empty() { std::mem::take(&mut queue.lost) } else { 0 };
        let over = queue.closed && text.is_empty() && lost == 0;
        drop(queue);
        (!over).then(|| Taken { events: lines(&text), text, lost })
    }

    fn wait<'a>(
        &self,
        queue: MutexGuard<'a, Queue>,
        most: Duration,
        while_so: impl FnMut(&mut Queue) -> bool,
    ) -> MutexGuard<'a, Queue> {
        self.shared.changed.wait_timeout_while(queue, most, while_so).unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn write(to: &mut Handoff, text: &str) {
        let mut block = text.as_bytes().to_vec();
        to.write(&mut block);
        assert!(block.is_empty());
    }

    #[test]
    fn small_blocks_come_as_one_in_order() {
        let (mut to, from) = handoff(1 << 20);
        write(&mut to, "a\nb\n");
        write(&mut to, "c\n");
        let taken = from.take(NOW, NOW).unwrap();
        assert_eq!(taken, Taken { text: b"a\nb\nc\n".to_vec(), events: 3, lost: 0 });
        assert_eq!(from.take(NOW, NOW), Some(Taken::default()));
    }

    #[test]
    fn what_finds_no_room_is_counted_after_what_did() {
        let (mut to, from) = handoff(6);
        write(&mut to, "a\nb\n");
        write(&mut to, "c\nd\n");
        write(&mut to, "e\n");
        let taken = from.take(NOW, NOW).unwrap();
        assert_eq!((taken.events, taken.lost), (3, 2));
        write(&mut to, "f\n");
        assert_eq!(from.take(NOW, NOW).unwrap().events, 1);
    }

    #[test]
    fn what_was_written_is_taken_after_the_end() {
        let (mut to, from) = handoff(1 << 20);
        write(&mut to, "a\n");
        drop(to);
        assert_eq!(from.take(NOW, NOW).unwrap().events, 1);
        assert_eq!(from.take(Duration::from_secs(60), NOW), None);
    }

    #[test]
    fn a_full_block_is_not_waited_with() {
        let (mut to, from) = handoff(1 << 20);
        let begun = Instant::now();
        write(&mut to, &"x\n".repeat(BLOCK / 2));
        write(&mut to, "y\n");
        assert_eq!(from.take(NOW, Duration::from_secs(600)).unwrap().text.len(), BLOCK);
        assert_eq!(from.take(NOW, NOW).unwrap().text, b"y\n");
        assert!(begun.elapsed() < Duration::from_secs(600));
    }

    #[test]
    fn waits_for_another_thread() {
        let (mut to, from) = handoff(1 << 20);
        let writer = std::thread::spawn(move || write(&mut to, "a\n"));
        let mut events = 0;
        while let Some(taken) = from.take(Duration::from_secs(60), NOW) {
            events += taken.events;
        }
        writer.join().unwrap();
        assert_eq!(events, 1);
    }
}
