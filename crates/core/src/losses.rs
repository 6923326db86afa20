//! Holes in the record, told in the record itself.

use crate::catalogue::{self, index};
use crate::record::{Head, Owned};
use crate::time::Clock;

/// So many events of one kind were lost on one CPU between two times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    pub event: u16,
    pub cpu: u32,
    /// ns since boot
    pub from: u64,
    pub to: u64,
    pub count: u64,
}

impl Loss {
    /// The record of an `events_lost`, as the kernel side would have written it.
    pub fn record(&self, clock: Clock) -> Owned {
        let head = Head { time: self.to, event: index::EVENTS_LOST, cpu: self.cpu as u16, ..Head::default() };
        let mut record = Owned::new(&head);
        let name = catalogue::by_index(self.event).map_or("unknown", |event| event.name);
        record.push_chunk(name.as_bytes(), 0);
        for number in [self.cpu.into(), clock.wall(self.from), clock.wall(self.to), self.count] {
            record.push_chunk(&number.to_le_bytes(), 0);
        }
        record
    }
}
