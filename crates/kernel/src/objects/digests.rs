//! The thread that reads executed files for their digests.

use crossbeam_channel::bounded;
use tracee_core::pipeline::hashed::{Answer, Hashes, Question};

use super::files::{self, Key};
use super::images::Object;
use crate::error::{Doing, Result};

/// Files that wait to be read.
const QUEUE: usize = 1024;

/// Begins the thread; it ends with the pipeline that has its other end.
///
/// # Errors
/// No thread can be had.
pub fn begin() -> Result<Hashes> {
    let (ask, questions) = bounded::<Question>(QUEUE);
    let (answer, answers) = bounded::<Answer>(QUEUE);
    let work = move || {
        for Question { version, path, processes } in questions {
            let key = Key { device: version.device, inode: version.inode, ctime: version.ctime };
            let object = Object { device: version.device, inode: version.inode, path: path.into(), key: Some(key) };
            let digest = files::digest(&object, processes).map(Into::into);
            if answer.send((version, digest)).is_err() {
                return; // nobody wants to know any more
            }
        }
    };
    // nobody waits for it, since a file may keep it waiting
    std::thread::Builder::new().name("tracee-hashes".into()).spawn(work).doing("begin a thread")?;
    Ok(Hashes::new(ask, answers))
}
