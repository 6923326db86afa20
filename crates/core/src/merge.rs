//! Several rings, each in the order of time, read as one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A queue of records in the order of time.
pub trait Queue {
    /// The time of the first record, or `None` while there is none.
    fn first_time(&mut self) -> Option<u64>;
    /// Hands the first record to `take` and drops it.
    fn take_first(&mut self, take: &mut dyn FnMut(&[u8]));
}

/// Takes every record up to the time `until`, oldest first; how many there were. What is younger waits: another queue may
/// yet get one that is older.
pub fn by_time<Q: Queue>(queues: &mut [Q], until: u64, take: &mut dyn FnMut(&[u8])) -> usize {
    let mut heads: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::with_capacity(queues.len());
    for (i, queue) in queues.iter_mut().enumerate() {
        heads.extend(queue.first_time().filter(|time| *time <= until).map(|time| Reverse((time, i))));
    }
    let mut taken = 0;
    while let Some(Reverse((_, i))) = heads.pop() {
        // a busy CPU's records come in runs
        let run = heads.peek().map_or(until, |Reverse((next, _))| *next);
        loop {
            queues[i].take_first(take);
            taken += 1;
            match queues[i].first_time() {
                Some(time) if time <= run => {}
                Some(time) if time <= until => {
                    heads.push(Reverse((time, i)));
                    break;
                }
                _ => break,
            }
        }
    }
    taken
}
