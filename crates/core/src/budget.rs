//! How much memory the rings may take, and how CPUs share them.

/// All rings together, at most; less where the cgroup's own limit is low.
pub const MOST: u64 = 256 << 20;
/// A ring must hold the longest record a few times over.
pub const LEAST_RING: u64 = 512 << 10;

/// Rings of equal size; CPU n uses ring n modulo `rings`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rings {
    pub rings: u32,
    /// A power of two.
    pub bytes: u64,
    /// The budget did not allow what was asked.
    pub reduced: bool,
}

/// `asked`: bytes for each CPU. `limit`: memory limit of our cgroup, if any. First the rings get smaller, down to a
/// quarter of what was asked, then CPUs share them, then they get smaller still; one of [`LEAST_RING`] there always is.
pub fn rings(cpus: u32, asked: u64, limit: Option<u64>) -> Rings {
    let budget = limit.map_or(MOST, |limit| (limit / 4).min(MOST));
    let cpus = u64::from(cpus.max(1));
    let wanted = asked.max(LEAST_RING).next_power_of_two();
    let mut bytes = wanted;
    while bytes > (wanted / 4).max(LEAST_RING) && bytes * cpus > budget {
        bytes /= 2;
    }
    let mut rings = cpus;
    while rings > 1 && bytes * rings > budget {
        if rings > 16 || bytes <= LEAST_RING {
            rings = rings.div_ceil(2);
        } else {
            bytes /= 2;
        }
    }
    while bytes > LEAST_RING && bytes > budget {
        bytes /= 2;
    }
    Rings { rings: rings as u32, bytes, reduced: bytes < wanted || rings < cpus }
}
