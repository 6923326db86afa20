//! The kernel's tests of fields and containers on a record of one's own: to hold them against core's.

use std::io;
use std::mem::offset_of;
use std::os::fd::{AsFd, AsRawFd};

use libbpf_rs::{MapCore, MapFlags, MapHandle, Object};
use tracee_core::containers::Change;
use tracee_core::plan::Compiled;
use tracee_core::record::Head;

use crate::containers::Map;
use crate::error::{Doing, Error, Result};
use crate::object::{find, load_one};
use crate::plans::Plans;
use crate::shared::Config;

pub const PROGRAM: &str = "tracee_judge";
/// The builder that records are put into, as `struct builder` has it: two words of its own, then the record.
const BUILDER: u32 = 0;
const HEAD: usize = 8;

/// Of the slots in a record.
const SLOTS: usize = HEAD + offset_of!(Head, slots);

/// Holds the kernel's side of plans, without tracing anything.
pub struct Judge {
    plans: Plans,
    config: Config,
    builders: MapHandle,
    containers: Map,
    object: Object,
}

impl Judge {
    /// # Errors
    /// The kernel does not let us load BPF programs.
    pub fn new() -> Result<Judge> {
        let object = load_one(PROGRAM)?;
        let builders = MapHandle::try_from(&find(&object, "tracee_builders")?).doing("hold the builders")?;
        let containers = Map::of(&object)?;
        let config = Config::new(find(&object, ".bss")?.as_fd())?;
        Ok(Judge { plans: Plans::new(&object)?, config, builders, containers, object })
    }

    /// Goes by this plan from now on. Which bank it is in.
    ///
    /// # Errors
    /// The kernel's maps do not take it.
    pub fn set_plan(&mut self, plan: &Compiled) -> Result<u32> {
        let bank = 1 - self.plans.bank;
        self.plans.fill(&self.config, bank, plan)?;
        self.plans.bank = bank;
        Ok(bank)
    }

    /// Has the kernel side know of containers; of the cgroups in `new` only that they have just been made.
    ///
    /// # Errors
    /// The kernel's map does not take it.
    pub fn set_containers(&self, known: Vec<Change>, new: &[u64]) -> Result<()> {
        let known = known.into_iter().try_for_each(|change| self.containers.put(change));
        known
            .and_then(|()| new.iter().try_for_each(|cgroup| self.containers.put_new(*cgroup)))
            .doing("fill in containers")
    }

    /// The slots that the kernel leaves of those of a record. Strings of a system call are read where its registers
    /// point, in our own memory.
    ///
    /// # Errors
    /// The record is longer than a builder, or the kernel does not run the program.
    pub fn slots(&self, record: &[u8]) -> Result<u64> {
        let mut builder = vec![0; self.builders.value_size() as usize];
        let length = record.len().min(builder.len() - HEAD);
        builder[HEAD..HEAD + length].copy_from_slice(&record[..length]);
        let used = (length - size_of::<Head>()) as u32;
        builder[4..HEAD].copy_from_slice(&used.to_ne_bytes());
        self.builders.update(&BUILDER.to_ne_bytes(), &builder, MapFlags::ANY).doing("fill in a builder")?;

        let program = self.object.progs().find(|program| program.name() == PROGRAM);
        let fd = program.map_or(-1, |program| program.as_fd().as_raw_fd());
        let context = [u64::from(BUILDER)];
        let mut options = libbpf_sys::bpf_test_run_opts {
            sz: size_of::<libbpf_sys::bpf_test_run_opts>() as libbpf_sys::size_t,
            ctx_in: context.as_ptr().cast(),
            ctx_size_in: size_of_val(&context) as u32,
            ..Default::default()
        };
        // SAFETY: the options and what they point at live through the call
        let failed = unsafe { libbpf_sys::bpf_prog_test_run_opts(fd, &mut options) };
        if failed != 0 {
            return Err(io::Error::from_raw_os_error(-failed)).doing("run the tests of fields");
        }
        let after = self.builders.lookup(&BUILDER.to_ne_bytes(), MapFlags::ANY).doing("read a builder")?;
        let slots = after.as_deref().and_then(|bytes| bytes[SLOTS..].first_chunk().copied());
        slots.map(u64::from_ne_bytes).ok_or_else(|| Error::new("read a builder", io::ErrorKind::NotFound, "it is gone"))
    }
}
