//! Privileges that are not needed any more are given up. The kernel keeps them for each thread, and a thread can only give up
//! its own; so the others are told by a signal, whose handler does it, and then are looked at.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fs, mem, ptr};

use crate::error::{Doing, Error, Result};

/// How long a thread may take to notice.
const PATIENCE: Duration = Duration::from_secs(2);
/// Of `_LINUX_CAPABILITY_VERSION_3`, which has sets of 64 bits in two halves.
const VERSION: u32 = 0x2008_0522;

/// What the handler is to keep.
static KEPT: AtomicU64 = AtomicU64::new(0);

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// In all threads of this process, gives up every capability but those of `keep` (bit n is capability n), for what they will
/// execute, too: no program gives them more than they have.
///
/// # Errors
/// A thread still has more; the others have not.
pub fn give_up(keep: u64) -> Result<()> {
    KEPT.store(keep, Ordering::SeqCst);
    let signal = libc::SIGRTMIN() + 5;
    install(signal)?;
    // SAFETY: asks for a number
    let me = unsafe { libc::gettid() };
    let end = Instant::now() + PATIENCE;
    let mut told = BTreeSet::new();
    loop {
        let mut left = false;
        for (thread, name) in threads_with_more(keep)? {
            left = true;
            if thread == me {
                give_up_here();
            } else if told.insert(thread) {
                // SAFETY: a thread of ours; should it have ended, nothing happens
                unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal) };
            }
            if Instant::now() > end {
                let detail = format!("thread {thread} ({name}) still has more");
                return Err(Error::new("give up privileges", ErrorKind::TimedOut, detail));
            }
        }
        // a thread that had not given them up yet may have begun another one: only a look without any is the last
        if !left {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn install(signal: i32) -> Result<()> {
    // SAFETY: zeroed is a valid value of it
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handle as *const () as usize;
    // what a thread waits for in the kernel goes on afterwards
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: a valid action, whose handler is safe in signals; its mask is filled in place
    let failed = unsafe {
        libc::sigfillset(&mut action.sa_mask);
        libc::sigaction(signal, &action, ptr::null_mut())
    };
    if failed != 0 {
        return Err(io::Error::last_os_error()).doing("take a signal");
    }
    Ok(())
}

extern "C" fn handle(_: i32) {
    // SAFETY: the thread's own
    let errno = unsafe { *libc::__errno_location() };
    give_up_here();
    // SAFETY: as above; what was interrupted does not notice
    unsafe { *libc::__errno_location() = errno };
}

/// For the calling thread. Only system calls, since signal handlers may do nothing else; whether it worked is looked at.
fn give_up_here() {
    let keep = KEPT.load(Ordering::SeqCst);
    // SAFETY: calls that take numbers
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        // without CAP_SETPCAP the bounding set stays, which is of no use to who can gain nothing
        for capability in (0..64).filter(|n| keep >> n & 1 == 0) {
            libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0);
        }
        libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    }
    let mut header = Header { version: VERSION, pid: 0 };
    let mut halves = [Half::default(); 2];
    // SAFETY: the layout of version 3: a header and two halves
    if unsafe { libc::syscall(libc::SYS_capget, &mut header, halves.as_mut_ptr()) } != 0 {
        return;
    }
    for (half, keep) in halves.iter_mut().zip([keep as u32, (keep >> 32) as u32]) {
        half.permitted &= keep;
        half.effective = half.permitted;
        half.inheritable = 0;
    }
    // SAFETY: as above
    unsafe { libc::syscall(libc::SYS_capset, &mut header, halves.as_ptr()) };
}

/// Threads that have, or can gain, what is not of `keep`: id and name.
fn threads_with_more(keep: u64) -> Result<Vec<(i32, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc/self/task").doing("read /proc/self/task")? {
        let name = entry.doing("read /proc/self/task")?.file_name();
        let Some(thread) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // one that has ended has nothing
        let Ok(status) = fs::read_to_string(format!("/proc/self/task/{thread}/status")) else { continue };
        if has_more(&status, keep) {
            found.push((thread, field(&status, "Name").unwrap_or_default().to_owned()));
        }
    }
    Ok(found)
}

fn has_more(status: &str, keep: u64) -> bool {
    let set = |name| field(status, name).and_then(|text| u64::from_str_radix(text, 16).ok()).unwrap_or(0);
    let held = set("CapPrm") | set("CapEff") | set("CapInh") | set("CapAmb");
    held & !keep != 0 || field(status, "NoNewPrivs") == Some("0")
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"))
}

#[cfg(test)]
mod tests {
    use super::has_more;

    const STATUS: &str = "Name:\ta\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000006\nCapEff:\t0000000000000002\n\
                          CapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\n";

    #[test]
    fn what_a_thread_still_has() {
        assert!(!has_more(STATUS, 6));
        assert!(has_more(STATUS, 2));
        assert!(has_more(&STATUS.replace("NoNewPrivs:\t1", "NoNewPrivs:\t0"), 6));
        assert!(has_more(&STATUS.replace("CapAmb:\t0000000000000000", "CapAmb:\t0000000000000001"), 6));
    }
}
