//! From the kernel's clock to the wall's.

/// ns to add to a time since boot for one since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clock {
    pub offset: i64,
}

impl Clock {
    /// Compares the two clocks as they stand now. The wall clock is stepped and slewed, so ask again now and then.
    pub fn now() -> Clock {
        Clock { offset: read(libc::CLOCK_REALTIME) - read(libc::CLOCK_BOOTTIME) }
    }

    /// ns since 1970.
    pub fn wall(&self, since_boot: u64) -> u64 {
        since_boot.wrapping_add_signed(self.offset)
    }
}

/// ns since boot, now: the clock of records.
pub fn since_boot() -> u64 {
    read(libc::CLOCK_BOOTTIME) as u64
}

/// CPU time of this thread so far, in ns.
pub fn thread_cpu() -> u64 {
    read(libc::CLOCK_THREAD_CPUTIME_ID) as u64
}

fn read(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid pointer; these clocks exist on every kernel that runs BPF, so the call cannot fail
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Local time of day, `HH:MM:SS.uuuuuu`. The zone's rules are asked once a quarter of an hour.
#[derive(Debug, Default)]
pub struct TimeOfDay {
    quarter: u64,
    /// Seconds east of Greenwich.
    east: i64,
}

impl TimeOfDay {
    const QUARTER: u64 = 15 * 60;

    /// `wall`: ns since 1970.
    pub fn write(&mut self, out: &mut Vec<u8>, wall: u64) {
        let seconds = wall / 1_000_000_000;
        if self.quarter != seconds / Self::QUARTER {
            self.quarter = seconds / Self::QUARTER;
            self.east = east_of_greenwich(seconds as i64);
        }
        let day = (seconds as i64 + self.east).rem_euclid(86_400);
        let text = format!("{:02}:{:02}:{:02}.{:06}", day / 3600, day / 60 % 60, day % 60, wall % 1_000_000_000 / 1000);
        out.extend_from_slice(text.as_bytes());
    }
}

fn east_of_greenwich(seconds: i64) -> i64 {
    // SAFETY: tm is plain data, and localtime_r writes only what the two pointers point at
    unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        libc::localtime_r(&seconds, &mut tm);
        tm.tm_gmtoff
    }
}
