//! What this machine has and allows.

use std::fs;

/// The lowest memory limit of our cgroups, in bytes; v2, and v1 where it is mounted beside or instead.
pub fn memory_limit() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mut lowest: Option<u64> = None;
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let (roots, file): (&[&str], &str) = if controllers.is_empty() {
            (&["/sys/fs/cgroup", "/sys/fs/cgroup/unified"], "memory.max")
        } else if controllers.split(',').any(|c| c == "memory") {
            (&["/sys/fs/cgroup/memory"], "memory.limit_in_bytes")
        } else {
            continue;
        };
        for root in roots {
            // a parent's limit holds for its children
            let mut folder = Some(std::path::Path::new(path));
            while let Some(at) = folder {
                let file = format!("{root}{}/{file}", at.display());
                let limit = fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<u64>().ok());
                if let Some(limit) = limit {
                    lowest = Some(lowest.map_or(limit, |l| l.min(limit)));
                }
                folder = at.parent();
            }
        }
    }
    lowest
}
