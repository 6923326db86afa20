//! The namespaces that the machine began with, which tasks in namespaces of their own differ from.

use super::{Field, Finding};

/// Searches by their names in the catalogue: of process 1, and of the kernel's threads, for who may not look at process 1
/// since it has capabilities that we lack. Both read files, not the kernel's memory.
const OF_INIT: &str = "namespaces";
const OF_THREADS: &str = "kernel_namespaces";

/// Names under /proc/PID/ns, in the order of the event's arguments.
const NAMES: [&str; 10] =
    ["cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"];

/// `PF_KTHREAD`
const KERNEL_THREAD: u64 = 0x0020_0000;

/// The process that a search looks at; `None` for searches that are none of ours.
pub fn process(search: &str) -> Option<u32> {
    match search {
        OF_INIT => Some(1),
        OF_THREADS => Some(2),
        _ => None,
    }
}

/// Inode numbers; null for those that this kernel does not have.
pub fn find(process: u32) -> Finding {
    NAMES.iter().map(|name| number(process, name).map_or(Field::Null, Field::Number)).collect()
}

/// Why those of a process cannot be told, or `None`.
pub fn refusal(process: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    if process != 1 && !is_kernel_thread(&stat) {
        return Some("the kernel's threads are not to be seen in this /proc".into());
    }
    let link = format!("/proc/{process}/ns/mnt");
    std::fs::read_link(&link).err().map(|error| format!("{link} cannot be read: {error}"))
}

fn number(process: u32, name: &str) -> Option<u64> {
    parse(std::fs::read_link(format!("/proc/{process}/ns/{name}")).ok()?.to_str()?)
}

/// `mnt:[4026531841]`
fn parse(link: &str) -> Option<u64> {
    link.split_once(":[")?.1.strip_suffix(']')?.parse().ok()
}

/// By the flags in /proc/PID/stat, the seventh field behind the name.
fn is_kernel_thread(stat: &str) -> bool {
    let flags = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(6));
    flags.and_then(|flags| flags.parse::<u64>().ok()).is_some_and(|flags| flags & KERNEL_THREAD != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read() {
        assert_eq!(parse("mnt:[4026531841]"), Some(4026531841));
        assert_eq!(parse("mnt"), None);
        assert_eq!(parse("mnt:[x]"), None);
    }

    #[test]
    fn kernel_threads_are_known_by_their_flags_and_not_by_their_names() {
        assert!(is_kernel_thread("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0"));
        assert!(!is_kernel_thread("2 (kthreadd) S 0 2 2 0 -1 4194560 0 0"));
        assert!(!is_kernel_thread("2 (a) 0 0 0 0 0 0 2129984) S 0 2 2 0 -1 4194560 0 0"));
        assert!(!is_kernel_thread(""));
    }
}
