//! A file, a pipe or a terminal that takes blocks of text, written by a thread of its own.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{bounded, Receiver, SendTimeoutError, Sender};

use crate::pipeline::Sink;

/// Blocks under way to one destination.
const QUEUE: usize = 16;

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
}

impl Fate {
    /// It takes no more: its reader went away, or writing failed.
    pub fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }

    /// Why writing failed; `None` for a reader that went away, which is no failure.
    pub fn error(&self) -> Option<String> {
        self.shared.error.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// Stops waiting for a destination that does not take what it is given.
    pub fn abandon(&self) {
        self.shared.abandoned.store(true, Ordering::Release);
    }

    fn close(&self, error: std::io::Error, name: &str) {
        if error.kind() != std::io::ErrorKind::BrokenPipe {
            *self.shared.error.lock().unwrap_or_else(|e| e.into_inner()) = Some(format!("{name}: {error}"));
        }
        self.shared.closed.store(true, Ordering::Release);
    }
}

/// The pipeline's end of a writer. Dropped: what was given is written, then the thread ends.
pub struct Writer {
    blocks: Option<Sender<Vec<u8>>>,
    empty: Receiver<Vec<u8>>,
    thread: Option<JoinHandle<()>>,
    fate: Fate,
}

impl Writer {
    /// `name` stands in errors.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(name: String, mut to: Box<dyn Write + Send>) -> std::io::Result<(Writer, Fate)> {
        let (blocks, incoming) = bounded::<Vec<u8>>(QUEUE);
        let (give_back, empty) = bounded(QUEUE);
        let fate = Fate::default();
        let told = fate.clone();
        let thread = std::thread::Builder::new().name("tracee-writer".into()).spawn(move || {
            for mut block in incoming {
                if let Err(error) = to.write_all(&block) {
                    told.close(error, &name);
                    return;
                }
                block.clear();
                // no room: the block is dropped, a new one will be made when needed
                let _ = give_back.try_send(block);
            }
            if let Err(error) = to.flush() {
                told.close(error, &name);
            }
        })?;
        Ok((Writer { blocks: Some(blocks), empty, thread: Some(thread), fate: fate.clone() }, fate))
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
                Ok(()) | Err(SendTimeoutError::Disconnected(_)) => return,
            }
        }
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
