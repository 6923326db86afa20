//! From an object that was loaded to the events that it brings about.

use std::collections::HashMap;
use std::sync::Arc;

use tracee_core::catalogue::index;
use tracee_core::record::{chunk, flags, Head, Owned};
use tracee_core::time::since_boot;
use tracee_core::watch::{are_a_family, is_loader, is_noise, Watches};

use super::files::{File, Files, Key, Places};
use super::images::{Images, Load, Object};
use super::lists::{self, List, Lists};
use super::lru::Lru;
use super::{maps, Message, Told};

/// Pairs of files whose common names are kept, and bytes of these.
const MOST_PAIRS: usize = 16 << 10;
const MOST_IN_PAIRS: usize = 4 << 20;
/// A mapping can be seen in /proc before its record has taken its time.
const LATE: u64 = 20_000_000;
/// Mount namespaces of which a process is known.
const MOST_NAMESPACES: usize = 1024;

/// All that is known of files and processes.
pub struct Teller {
    images: Images,
    sight: Sight,
}

struct Sight {
    watches: Watches,
    files: Files,
    pairs: Lru<(Key, Key), Arc<Lists>>,
    /// By mount namespace: the process that was seen in it last, and the one before.
    inside: HashMap<u32, (u32, u32)>,
    /// The kernel's record of an exec is the only one of the loader.
    tells_interpreter: bool,
}

/// Takes what is to be told.
pub type Tell<'a> = &'a mut dyn FnMut(Told);

impl Teller {
    /// `tells_interpreter`: of a program's loader there is no record but that of the exec.
    pub fn new(watches: Watches, tells_interpreter: bool) -> Teller {
        let pairs = Lru::new(MOST_PAIRS, MOST_IN_PAIRS);
        let sight = Sight { watches, files: Files::new(), pairs, inside: HashMap::new(), tells_interpreter };
        Teller { images: Images::new(), sight }
    }

    /// Takes in a message; the events go to `tell`.
    pub fn take(&mut self, message: Message, tell: Tell) {
        let Teller { images, sight } = self;
        match message {
            Message::Load(mut load) => {
                sight.loaded(&mut load, tell);
                // one that stands in the system's folders was there before any other
                if sight.watches.collision.is_empty() || is_loader(&load.object.path) {
                    return;
                }
                let process = load.head.task.host_pid;
                let look = || maps::objects(process).map(|there| (since_boot() + LATE, there));
                images.load(*load, look, &mut |load, earlier| sight.collisions(load, earlier, tell));
            }
            Message::Begin(begun) => {
                let (process, serial) = (begun.head.task.host_pid, begun.serial);
                let mut interpreter = begun.interpreter;
                if let Some(object) = interpreter.as_ref().filter(|_| sight.tells_interpreter) {
                    let mut load = Load { head: begun.head, serial, object: object.clone() };
                    sight.loaded(&mut load, tell);
                    interpreter = Some(load.object);
                }
                images.begin(process, serial, interpreter, &mut |load, earlier| {
                    sight.collisions(load, earlier, tell);
                });
            }
            Message::Fork { parent, child, serial } => images.fork(parent, child, serial),
            Message::End { process } => {
                images.end(process, &mut |load, earlier| sight.collisions(load, earlier, tell));
            }
            Message::Passed(time) => {
                images.passed(time, &mut |load, earlier| sight.collisions(load, earlier, tell));
            }
        }
    }

    /// Whether a [`Message::Passed`] is waited for.
    pub fn is_waiting(&self) -> bool {
        self.images.are_waiting()
    }
}

impl Sight {
    fn file(&mut self, head: &Head, object: &mut Object, tell: Tell) -> Option<Arc<File>> {
        let places = self.places(head);
        self.files.get(object, places, &self.watches, &mut |text| tell(Told::Remark(text)))
    }

    /// The process itself; should it have ended, its parent, one that was in its namespace, and ourselves.
    fn places(&mut self, head: &Head) -> Places {
        let (process, namespace) = (head.task.host_pid, head.task.mount_ns);
        if self.inside.len() >= MOST_NAMESPACES && !self.inside.contains_key(&namespace) {
            self.inside.clear();
        }
        let (last, neighbour) = self.inside.entry(namespace).or_default();
        if *last != process {
            (*last, *neighbour) = (process, *last);
        }
        [process, head.task.host_ppid, *neighbour, std::process::id()]
    }

    fn loaded(&mut self, load: &mut Load, tell: Tell) {
        if self.watches.loaded.is_empty() {
            return;
        }
        let Some(file) = self.file(&load.head, &mut load.object, tell) else { return };
        for list in &file.found {
            let sha256 = file.sha256.as_deref().unwrap_or_default();
            let Some(mut record) = begin(&load.head, index::SYMBOLS_LOADED, list) else { continue };
            record.push_chunk(&load.object.path, 0);
            push_list(&mut record, list);
            record.push_chunk(sha256.as_bytes(), 0);
            tell(Told::Event(record));
        }
    }

    fn collisions(&mut self, load: &mut Load, earlier: &mut [Object], tell: Tell) {
        let Some(own) = self.file(&load.head, &mut load.object, tell) else { return };
        for other in earlier {
            // another version of it is no other object
            if load.object.path == other.path || are_a_family(&load.object.path, &other.path) {
                continue;
            }
            let Some(common) = self.common(&load.head, &own, other, tell) else { continue };
            for list in common.iter() {
                let Some(mut record) = begin(&load.head, index::SYMBOLS_COLLISION, list) else { continue };
                record.push_chunk(&load.object.path, 0);
                record.push_chunk(&other.path, 0);
                push_list(&mut record, list);
                tell(Told::Event(record));
            }
        }
    }

    /// The names that a file has in common with another object, as far as rules ask for them.
    fn common(&mut self, head: &Head, own: &File, other: &mut Object, tell: Tell) -> Option<Arc<Lists>> {
        let known = |sight: &mut Sight, other: &Object| Some(sight.pairs.get(&(own.key, other.key?))?.clone());
        if let Some(known) = known(self, other) {
            return Some(known);
        }
        let file = self.file(head, other, tell)?;
        // now its key is right
        if let Some(known) = known(self, other) {
            return Some(known);
        }
        let names: Vec<(&[u8], bool)> = own
            .exports
            .common(&file.exports)
            .map(|export| (export.name, is_noise(export.name, export.shared)))
            .collect();
        let lists = Arc::new(lists::of(&self.watches.collision, names.into_iter()));
        let weight = lists.iter().map(|list| list.text.len()).sum();
        self.pairs.insert((own.key, file.key), lists.clone(), weight);
        Some(lists)
    }
}

/// The record of an event that is derived from one with the head `of`; `None` where nobody wants it of that one.
fn begin(of: &Head, event: u16, list: &List) -> Option<Owned> {
    let slots = list.slots & of.slots;
    let head = Head { event, slots, flags: of.flags & flags::BANK, ret: 0, args: [0; 6], ..*of };
    (slots != 0).then(|| Owned::new(&head))
}

fn push_list(record: &mut Owned, list: &List) {
    record.push_chunk(&list.text, if list.cut { chunk::CUT } else { 0 });
}
