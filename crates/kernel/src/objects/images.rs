//! What each process has loaded since it began its program, so that what it loads now can be compared with that.
//!
//! A process whose exec was seen is known from its first object on. Of others, which ran before tracing began or came into
//! a scope later, /proc tells what is there at a moment; since it does not tell in which order, what they load is held back
//! until all records up to that moment are in: what is there and was not told by one of them was there before.

use std::sync::Arc;

use tracee_core::record::Head;

use super::files::Key;
use super::lru::Lru;

/// Objects of one process; those after these are not compared.
pub const MOST_OBJECTS: usize = 512;
const MOST_PROCESSES: usize = 16 << 10;
/// Objects of all processes together.
const MOST_IN_ALL: usize = 64 << 10;

/// A file that a process loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    pub device: u64,
    pub inode: u64,
    /// As the process itself would write it.
    pub path: Arc<[u8]>,
    /// Where what is in it is kept, once that is known.
    pub key: Option<Key>,
}

impl Object {
    fn is(&self, other: &Object) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// A record of an object that was loaded.
#[derive(Debug, Clone)]
pub struct Load {
    /// Of the record: who did it, and when.
    pub head: Head,
    /// Changes when the process executes another program; 0 where that is not known.
    pub serial: u32,
    pub object: Object,
}

/// What a process had loaded, and what it loads now. The keys of both may be filled in.
pub type Compare<'a> = &'a mut dyn FnMut(&mut Load, &mut [Object]);

struct Image {
    serial: u32,
    objects: Vec<Object>,
    waiting: Option<Waiting>,
}

struct Waiting {
    /// ns since boot
    looked_at: u64,
    there: Vec<Object>,
    loads: Vec<Load>,
}

pub struct Images {
    images: Lru<u32, Image>,
    waiting: Vec<u32>,
}

impl Images {
    pub fn new() -> Images {
        Images { images: Lru::new(MOST_PROCESSES, MOST_IN_ALL), waiting: Vec::new() }
    }

    /// A process executes another program, which has nothing loaded but its interpreter.
    pub fn begin(&mut self, process: u32, serial: u32, interpreter: Option<Object>, compare: Compare) {
        self.end(process, compare);
        let objects: Vec<Object> = interpreter.into_iter().collect();
        let weight = objects.len();
        self.images.insert(process, Image { serial, objects, waiting: None }, weight);
    }

    /// A child has what its parent has.
    pub fn fork(&mut self, parent: u32, child: u32, serial: u32) {
        self.images.remove(&child);
        if let Some(Image { objects, waiting: None, .. }) = self.images.get(&parent) {
            let image = Image { serial, objects: objects.clone(), waiting: None };
            let weight = image.objects.len();
            self.images.insert(child, image, weight);
        }
    }

    pub fn end(&mut self, process: u32, compare: Compare) {
        self.settle(process, compare);
        self.images.remove(&process);
    }

    /// `look`: what /proc shows of the process, and when it was looked at; `None` where it shows nothing any more.
    pub fn load(&mut self, load: Load, look: impl FnOnce() -> Option<(u64, Vec<Object>)>, compare: Compare) {
        let process = load.head.task.host_pid;
        if self.images.get(&process).is_none_or(|image| image.serial != load.serial) {
            self.end(process, compare);
            let waiting = look().map(|(looked_at, there)| Waiting { looked_at, there, loads: Vec::new() });
            self.waiting.extend(waiting.is_some().then_some(process));
            self.images.insert(process, Image { serial: load.serial, objects: Vec::new(), waiting }, 0);
        }
        let Some(image) = self.images.get(&process) else { return };
        match &mut image.waiting {
            Some(waiting) => {
                waiting.loads.push(load);
                if waiting.loads.len() >= MOST_OBJECTS {
                    self.settle(process, compare);
                }
            }
            None => {
                image.take(load, compare);
                let weight = image.objects.len();
                self.images.weigh(&process, weight);
            }
        }
    }

    /// All records up to a time have come.
    pub fn passed(&mut self, time: u64, compare: Compare) {
        for process in std::mem::take(&mut self.waiting) {
            let waiting = self.images.get(&process).and_then(|image| image.waiting.as_ref());
            match waiting.map(|waiting| waiting.looked_at >= time) {
                Some(true) => self.waiting.push(process),
                Some(false) => self.settle(process, compare),
                None => {}
            }
        }
    }

    /// Whether anything is held back.
    pub fn are_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn settle(&mut self, process: u32, compare: Compare) {
        let Some(image) = self.images.get(&process) else { return };
        let Some(Waiting { mut there, loads, .. }) = image.waiting.take() else { return };
        // before 6.8 /proc shows a file of an overlay as that of the file system below: its path is the same
        let is_told =
            |object: &Object| loads.iter().any(|load| load.object.is(object) || load.object.path == object.path);
        there.retain(|object| !is_told(object));
        there.truncate(MOST_OBJECTS);
        image.objects = there;
        for load in loads {
            image.take(load, compare);
        }
        let weight = image.objects.len();
        self.images.weigh(&process, weight);
    }
}

impl Image {
    fn take(&mut self, mut load: Load, compare: Compare) {
        // one that comes again stands where it stood
        if self.objects.iter().any(|object| object.is(&load.object)) || self.objects.len() >= MOST_OBJECTS {
            return;
        }
        compare(&mut load, &mut self.objects);
        self.objects.push(load.object);
    }
}

#[cfg(test)]
mod tests {
    use tracee_core::record::TaskContext;

    use super::*;

    fn object(name: u64) -> Object {
        Object { device: 1, inode: name, path: name.to_string().into_bytes().into(), key: None }
    }

    fn load(process: u32, serial: u32, name: u64) -> Load {
        let task = TaskContext { host_pid: process, ..TaskContext::default() };
        Load { head: Head { task, ..Head::default() }, serial, object: object(name) }
    }

    /// Runs `deeds`, and gives what was loaded with what was there before.
    fn told(deeds: impl FnOnce(&mut Images, Compare)) -> Vec<(u64, Vec<u64>)> {
        let mut told = Vec::new();
        let mut compare = |load: &mut Load, earlier: &mut [Object]| {
            told.push((load.object.inode, earlier.iter().map(|object| object.inode).collect()));
        };
        deeds(&mut Images::new(), &mut compare);
        told
    }

    fn nothing() -> Option<(u64, Vec<Object>)> {
        panic!("it is known")
    }

    #[test]
    fn a_program_that_was_seen_to_begin_is_known() {
        let told = told(|images, compare| {
            images.begin(7, 1, Some(object(1)), compare);
            for name in [2, 3, 2, 4] {
                images.load(load(7, 1, name), nothing, compare);
            }
            images.begin(7, 2, None, compare);
            images.load(load(7, 2, 3), nothing, compare);
        });
        assert_eq!(told, [(2, vec![1]), (3, vec![1, 2]), (4, vec![1, 2, 3]), (3, vec![])]);
    }

    #[test]
    fn a_child_has_what_its_parent_has() {
        let told = told(|images, compare| {
            images.begin(7, 1, Some(object(1)), compare);
            images.fork(7, 8, 2);
            images.load(load(8, 2, 2), nothing, compare);
            images.load(load(7, 1, 3), nothing, compare);
            images.end(8, compare);
            images.load(load(8, 3, 4), || None, compare);
        });
        assert_eq!(told, [(2, vec![1]), (3, vec![1]), (4, vec![])]);
    }

    #[test]
    fn what_was_there_before_is_told_from_what_came_while_we_looked() {
        let told = told(|images, compare| {
            // 4 is loaded after 3, but before we look
            images.load(load(7, 1, 3), || Some((50, vec![object(4), object(1), object(3), object(2)])), compare);
            assert!(images.are_waiting());
            images.passed(50, compare);
            images.load(load(7, 1, 4), nothing, compare);
            images.passed(51, compare);
            assert!(!images.are_waiting());
            images.load(load(7, 1, 5), nothing, compare);
        });
        assert_eq!(told, [(3, vec![1, 2]), (4, vec![1, 2, 3]), (5, vec![1, 2, 3, 4])]);
    }

    #[test]
    fn what_waits_is_not_lost_with_its_process() {
        let told = told(|images, compare| {
            images.load(load(7, 1, 3), || Some((50, vec![object(1)])), compare);
            images.begin(7, 2, None, compare);
            images.load(load(7, 2, 4), nothing, compare);
        });
        assert_eq!(told, [(3, vec![1]), (4, vec![])]);
    }

    #[test]
    fn lists_are_bounded() {
        let mut calls = 0;
        let mut compare = |_: &mut Load, earlier: &mut [Object]| {
            assert!(earlier.len() < MOST_OBJECTS);
            calls += 1;
        };
        let mut images = Images::new();
        for process in 0..200 {
            images.begin(process, 1, None, &mut compare);
            (0..600).for_each(|name| images.load(load(process, 1, name), nothing, &mut compare));
        }
        assert_eq!(calls, 200 * MOST_OBJECTS);
        assert_eq!(images.images.keys().count(), MOST_IN_ALL / MOST_OBJECTS);
    }
}
