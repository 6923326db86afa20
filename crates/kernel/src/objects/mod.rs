//! Symbols of shared objects: told from the records of what processes load and execute, by a thread of its own, so that
//! reading files never delays the reader. What finds its queue full is lost, and counted.

pub mod digests;
mod files;
mod images;
mod lists;
mod lru;
mod maps;
mod mounts;
mod tell;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{bounded, Receiver, RecvTimeoutError, Sender, TrySendError};
use tracee_core::catalogue::index;
use tracee_core::event::Event;
use tracee_core::losses::Loss;
use tracee_core::record::{self, control, Head, Owned};
use tracee_core::tasks::Tasks;
use tracee_core::value::{Text, Value};
use tracee_core::watch::Watches;

use crate::error::{Doing, Result};
use files::Key;
use images::{Load, Object};
use tell::Teller;

/// Messages on their way to the thread ...
const QUEUE: usize = 8192;
/// ... and events on their way back.
const BACK: usize = 256;
/// How long the end waits for what is still being read.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the thread needs to know.
pub enum Message {
    Load(Box<Load>),
    Begin(Box<Begun>),
    /// Processes, and what the child's records will carry.
    Fork {
        parent: u32,
        child: u32,
        serial: u32,
    },
    End {
        process: u32,
    },
    /// All records up to this time (ns since boot) have come.
    Passed(u64),
}

/// A program that began.
pub struct Begun {
    head: Head,
    serial: u32,
    interpreter: Option<Object>,
}

/// What the thread says.
pub enum Told {
    Event(Owned),
    /// For who debugs.
    Remark(String),
}

/// The thread, fed by the reader.
pub struct Objects {
    queue: Option<Sender<Message>>,
    /// What the thread has not taken yet.
    backlog: Receiver<Message>,
    told: Receiver<Told>,
    /// It waits for [`Message::Passed`].
    waits: Arc<AtomicBool>,
    /// What is left is to be thrown away.
    hurries: Arc<AtomicBool>,
    /// The events that are told.
    events: Vec<u16>,
    lost: Option<Loss>,
}

impl Objects {
    /// Begins the thread; `None` where no rule looks for anything. `tells_interpreter`: see [`Teller::new`].
    ///
    /// # Errors
    /// No thread can be had.
    pub fn begin(watches: Watches, tells_interpreter: bool) -> Result<Option<Objects>> {
        let rules = [(index::SYMBOLS_LOADED, &watches.loaded), (index::SYMBOLS_COLLISION, &watches.collision)];
        let events: Vec<u16> = rules.iter().filter(|(_, rules)| !rules.is_empty()).map(|(event, _)| *event).collect();
        if events.is_empty() {
            return Ok(None);
        }
        let (queue, messages) = bounded(QUEUE);
        let (tell, told) = bounded(BACK);
        let (waits, hurries) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let backlog = messages.clone();
        let (waiting, hurry) = (waits.clone(), hurries.clone());
        let work = move || {
            let mut teller = Teller::new(watches, tells_interpreter);
            // nobody takes it at the end
            let tell = &mut |told| drop(tell.send(told));
            for message in messages.iter().take_while(|_| !hurry.load(Ordering::Acquire)) {
                teller.take(message, tell);
                waiting.store(teller.is_waiting(), Ordering::Release);
            }
            teller.take(Message::Passed(u64::MAX), tell);
        };
        // it ends by itself; nobody waits for it, since a file may keep it waiting
        std::thread::Builder::new().name("tracee-objects".into()).spawn(work).doing("begin a thread")?;
        Ok(Some(Objects { queue: Some(queue), backlog, told, waits, hurries, events, lost: None }))
    }

    /// Takes what concerns it from a record that the table of tasks has seen.
    pub fn take(&mut self, bytes: &[u8], tasks: &Tasks) {
        let Some((head, _)) = record::split(bytes) else { return };
        let process = head.task.host_pid;
        let serial = |process| tasks.executable(process).map_or(0, |executable| executable.serial);
        match head.event {
            control::FORK => {
                let parent = head.args[1] as u32;
                self.send(head, Message::Fork { parent, child: process, serial: serial(process) });
            }
            control::EXIT => self.send(head, Message::End { process }),
            index::SHARED_OBJECT_LOADED => {
                let Some(object) = Event::read(bytes).and_then(|event| object(&event, "")) else { return };
                self.send(head, Message::Load(Box::new(Load { head: *head, serial: serial(process), object })));
            }
            index::SCHED_PROCESS_EXEC => {
                let interpreter = Event::read(bytes).and_then(|event| object(&event, "interpreter_"));
                let begun = Begun { head: *head, serial: serial(process), interpreter };
                self.send(head, Message::Begin(Box::new(begun)));
            }
            _ => {}
        }
    }

    /// All records up to a time (ns since boot) have been taken.
    pub fn passed(&mut self, time: u64) {
        if let Some(queue) = self.queue.as_ref().filter(|_| self.waits.load(Ordering::Acquire)) {
            // it comes again
            let _ = queue.try_send(Message::Passed(time));
        }
    }

    fn send(&mut self, head: &Head, message: Message) {
        let Some(queue) = &self.queue else { return };
        match queue.try_send(message) {
            Err(TrySendError::Full(Message::Load(_))) => self.lose(head.cpu.into(), head.time, 1),
            // of a process whose beginning or end is not known, /proc tells what it has loaded
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) | Ok(()) => {}
        }
    }

    fn lose(&mut self, cpu: u32, time: u64, count: u64) {
        let lost = self.lost.get_or_insert(Loss { event: 0, cpu, from: time, to: time, count: 0 });
        lost.to = time;
        lost.count += count;
    }

    /// What was lost since the last call: of each event, as many as there were objects that may have brought it about.
    pub fn losses(&mut self) -> Vec<Loss> {
        let Some(lost) = self.lost.take() else { return Vec::new() };
        self.events.iter().filter(|_| lost.count != 0).map(|event| Loss { event: *event, ..lost }).collect()
    }

    /// What has been found since the last call.
    pub fn told(&self) -> impl Iterator<Item = Told> + '_ {
        self.told.try_iter().take(BACK)
    }

    /// No more records come: what is still found goes to `tell`. `now`: ns since boot.
    pub fn finish(&mut self, now: u64, mut tell: impl FnMut(Told)) {
        drop(self.queue.take());
        let end = Instant::now() + PATIENCE;
        loop {
            match self.told.recv_deadline(end) {
                Ok(told) => tell(told),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        self.hurries.store(true, Ordering::Release);
        let left = self.backlog.try_iter().filter(|message| matches!(message, Message::Load(_))).count();
        self.lose(0, now, left as u64);
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        self.hurries.store(true, Ordering::Release);
    }
}

/// The file that arguments of a record stand for.
fn object(event: &Event, prefix: &str) -> Option<Object> {
    let value = |name: &str| {
        let place = event.info.args.iter().position(|arg| arg.name.strip_prefix(prefix) == Some(name));
        place.map_or(Value::Null, |place| event.value(place))
    };
    let number = |name| match value(name) {
        Value::Uint(number) => Some(number),
        Value::Int(number) => Some(number as u64),
        _ => None,
    };
    let Value::Text(path) = value("pathname") else { return None };
    let (device, inode) = (number("dev")?, number("inode")?);
    let key = number("ctime").map(|ctime| Key { device, inode, ctime });
    let path = Text { suffix: "", ..path }.whole().into_owned().into();
    Some(Object { device, inode, path, key })
}

#[cfg(test)]
mod tests {
    use tracee_core::plan::Plan;

    use super::*;

    fn watches(event: &str, symbols: &str) -> Watches {
        let filter = serde_json::json!({"field": "data.symbols", "op": "=", "values": [symbols]});
        let rules = serde_json::json!([{"event": event, "filters": [filter]}]);
        let plan: Plan = serde_json::from_value(serde_json::json!({"policies": [{"rules": rules}]})).expect("a plan");
        plan.compile().expect("a good plan").watches
    }

    /// The record of our own libc.
    fn libc() -> Owned {
        let is_libc = |object: &Object| object.path.windows(5).any(|part| part == b"libc.");
        let libc = maps::objects(std::process::id()).expect("we run").into_iter().find(is_libc).expect("we use libc");
        let mut head = Head { event: index::SHARED_OBJECT_LOADED, slots: 1, ..Head::default() };
        head.task.host_pid = std::process::id();
        let mut record = Owned::new(&head);
        record.push_chunk(&libc.path, 0);
        [0, libc.device, libc.inode, 0].iter().for_each(|number| record.push_chunk(&u64::to_le_bytes(*number), 0));
        record
    }

    #[test]
    fn no_thread_runs_for_nothing() {
        assert!(Objects::begin(Watches::default(), false).expect("nothing to do").is_none());
    }

    #[test]
    fn what_finds_the_queue_full_is_counted() {
        let mut objects =
            Objects::begin(watches("symbols_loaded", "getenv"), false).expect("a thread").expect("a rule");
        let (record, tasks) = (libc(), Tasks::default());
        let sent = 2 * QUEUE as u64;
        // nobody takes the events: the thread stands, and the queue fills
        (0..sent).for_each(|_| objects.take(record.as_bytes(), &tasks));
        let losses = objects.losses();
        let [Loss { event: index::SYMBOLS_LOADED, count: lost, .. }] = losses[..] else { panic!("{losses:?}") };
        assert!(lost > 0 && lost <= sent - QUEUE as u64, "{lost}");
        let mut told = 0;
        objects.finish(0, |_| told += 1);
        assert_eq!(told + lost, sent);
        assert!(objects.losses().is_empty());
    }

    #[test]
    fn an_end_in_a_hurry_waits_for_nobody() {
        let mut objects =
            Objects::begin(watches("symbols_loaded", "getenv"), false).expect("a thread").expect("a rule");
        let (record, tasks) = (libc(), Tasks::default());
        (0..QUEUE).for_each(|_| objects.take(record.as_bytes(), &tasks));
        drop(objects);
    }
}
