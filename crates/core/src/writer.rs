//! A file, a pipe or a terminal that takes blocks of text, written by a thread of its own.

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{bounded, Receiver, RecvTimeoutError, SendTimeoutError, Sender};

use crate::destination::Destination;
use crate::pipeline::Sink;
use crate::time::thread_cpu;

/// Blocks under way to one destination.
const QUEUE: usize = 16;
/// A writer that has nothing to write looks this often whether it is to go on in another file.
const LOOK: Duration = Duration::from_millis(500);

/// How a destination fared.
#[derive(Debug, Clone, Default)]
pub struct Fate {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    closed: AtomicBool,
    abandoned: AtomicBool,
    error: Mutex<Option<String>>,
    /// Where to go on.
    next: Mutex<Option<File>>,
    remark: Mutex<Option<String>>,
    /// Blocks that wait, and the most that did.
    queued: AtomicUsize,
    deepest: AtomicUsize,
    /// CPU time, in ns.
    cpu: AtomicU64,
}

impl Fate {
    /// It takes no more: its reader went away, or writing failed.
    pub fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }

    /// Why writing failed; `None` for a reader that went away, which is no failure.
    pub fn error(&self) -> Option<String> {
        lock(&self.shared.error).clone()
    }

    /// Stops waiting for a destination that does not take what it is given.
    pub fn abandon(&self) {
        self.shared.abandoned.store(true, Ordering::Release);
    }

    /// It is to go on in another file.
    pub fn replace(&self, file: File) {
        *lock(&self.shared.next) = Some(file);
    }

    /// What did not go well and was passed over, since this was asked last.
    pub fn remark(&self) -> Option<String> {
        lock(&self.shared.remark).take()
    }

    /// Blocks that wait to be written, and the most that ever did.
    pub fn depth(&self) -> (usize, usize) {
        (self.shared.queued.load(Ordering::Relaxed), self.shared.deepest.load(Ordering::Relaxed))
    }

    /// CPU time that writing took, in ns.
    pub fn cpu(&self) -> u64 {
        self.shared.cpu.load(Ordering::Relaxed)
    }

    fn close(&self, error: std::io::Error, name: &str) {
        if error.kind() != std::io::ErrorKind::BrokenPipe {
            *lock(&self.shared.error) = Some(format!("{name}: {error}"));
        }
        self.shared.closed.store(true, Ordering::Release);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The pipeline's end of a writer. Dropped: what was given is written, then the thread ends.
pub struct Writer {
    blocks: Option<Sender<Vec<u8>>>,
    empty: Receiver<Vec<u8>>,
    thread: Option<JoinHandle<()>>,
    fate: Fate,
}

impl Writer {
    /// `name` stands in errors. Blocks are whole lines.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(name: String, to: Destination) -> std::io::Result<(Writer, Fate)> {
        let (blocks, incoming) = bounded::<Vec<u8>>(QUEUE);
        let (give_back, empty) = bounded(QUEUE);
        let fate = Fate::default();
        let told = fate.clone();
        let thread = std::thread::Builder::new().name("tracee-writer".into()).spawn(move || {
            if let Err(error) = write_all(to, &incoming, &give_back, &told.shared) {
                told.close(error, &name);
            }
        })?;
        Ok((Writer { blocks: Some(blocks), empty, thread: Some(thread), fate: fate.clone() }, fate))
    }
}

/// Until there will be no more.
fn write_all(
    mut to: Destination,
    incoming: &Receiver<Vec<u8>>,
    give_back: &Sender<Vec<u8>>,
    shared: &Shared,
) -> std::io::Result<()> {
    loop {
        let block = incoming.recv_timeout(LOOK);
        if let Some(file) = lock(&shared.next).take() {
            to.replace(file)?;
        }
        let mut block = match block {
            Ok(block) => block,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        if let Some(remark) = to.write(&block)? {
            *lock(&shared.remark) = Some(remark);
        }
        block.clear();
        // no room: the block is dropped, a new one will be made when needed
        let _ = give_back.try_send(block);
        shared.queued.store(incoming.len(), Ordering::Relaxed);
        shared.cpu.store(thread_cpu(), Ordering::Relaxed);
    }
}

impl Sink for Writer {
    fn write(&mut self, block: &mut Vec<u8>) {
        let next = self.empty.try_recv().unwrap_or_default();
        let mut full = std::mem::replace(block, next);
        let Some(blocks) = &self.blocks else { return };
        while !self.fate.shared.abandoned.load(Ordering::Acquire) {
            match blocks.send_timeout(full, Duration::from_millis(100)) {
                Err(SendTimeoutError::Timeout(back)) => full = back,
                // the writer has said why it ended
                Ok(()) | Err(SendTimeoutError::Disconnected(_)) => break,
            }
        }
        self.fate.shared.queued.store(blocks.len(), Ordering::Relaxed);
        self.fate.shared.deepest.fetch_max(blocks.len(), Ordering::Relaxed);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.blocks = None;
        while let Some(thread) = self.thread.take_if(|t| !t.is_finished()) {
            if self.fate.shared.abandoned.load(Ordering::Acquire) {
                return; // it sits in write(2), and ends with the process
            }
            self.thread = Some(thread);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
