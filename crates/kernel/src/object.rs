//! The BPF object: opened with what is needed of it, loaded, attached.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use libbpf_rs::{Link, Map, MapCore, Object, ObjectBuilder, OpenMapMut, OpenObject, ProgramMut};
use tracee_core::budget;

use crate::buffers::Buffers;
use crate::containers::Hierarchy;
use crate::error::{Doing, Error, Result};
use crate::mapping::page_size;
use crate::probe::Kernel;
use crate::shared::MAX_EVENTS;
use crate::ways::Part;
use crate::{cgroup, judge, limits, messages, reduced, scan, sockets};

static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tracee.bpf.o"));
/// For kernels before 5.17: `bpf/include/older.h`
static OLDER_OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tracee-older.bpf.o"));
/// `SPARE_BUILDERS` of bpf/include/buffer.h
const SPARE_BUILDERS: usize = 8;
/// Run by hand.
const NOT_ATTACHED: [&str; 3] = [scan::PROGRAM, judge::PROGRAM, sockets::PROGRAM];

/// What the object is opened from.
pub struct Source {
    object: &'static [u8],
    /// The kernel's types that the object speaks of; `None`: libbpf looks among all.
    types: Option<File>,
    read_types: [u32; 2],
    hierarchy: Hierarchy,
}

impl Source {
    pub fn new(kernel: &Kernel) -> Result<Source> {
        let object = if limits::is_older() { OLDER_OBJECT } else { OBJECT };
        Ok(Source {
            object,
            types: reduced::file(kernel.bytes(), object)?,
            read_types: kernel.read_types(),
            hierarchy: Hierarchy::find(),
        })
    }

    /// The object with only what a part needs. Its maps are still to be sized, or shared.
    pub fn open(&self, part: &Part) -> Result<OpenObject> {
        self.open_some(part, &part.programs())
    }

    /// The same with only some of the part's programs.
    pub fn open_some(&self, part: &Part, programs: &BTreeSet<&str>) -> Result<OpenObject> {
        let mut builder = ObjectBuilder::default();
        builder.name("tracee").doing("name the BPF object")?;
        if let Some(types) = &self.types {
            builder.btf_custom_path(reduced::path(types)).doing("name the file of types")?;
        }
        let mut object = builder.open_memory(self.object).doing("read the BPF object")?;
        let groups = part.groups();
        for mut program in object.progs_mut() {
            let load = program.name().to_str().is_some_and(|name| programs.contains(name));
            program.set_autoload(load);
        }
        for mut map in object.maps_mut() {
            match map.name().to_string_lossy() {
                name if name.ends_with(".rodata.served") => {
                    let words = [groups.after, groups.before].into_iter();
                    let words = words.chain(bits(part.events.keys().copied())).chain(bits(part.lesser()));
                    set(&mut map, &words.flat_map(u64::to_ne_bytes).collect::<Vec<u8>>())?;
                }
                name if name.ends_with(".rodata.cgroups") => {
                    set(&mut map, &[self.hierarchy.kind, self.hierarchy.id].map(u32::to_ne_bytes).concat())?;
                }
                name if name.ends_with(".rodata.types") => {
                    set(&mut map, &self.read_types.map(u32::to_ne_bytes).concat())?
                }
                _ => {}
            }
        }
        Ok(object)
    }
}

/// A bit for each event.
fn bits(events: impl Iterator<Item = u16>) -> [u64; MAX_EVENTS / 64] {
    let mut words = [0; MAX_EVENTS / 64];
    let known = events.map(usize::from).filter(|event| *event < MAX_EVENTS);
    known.for_each(|event| words[event / 64] |= 1 << (event % 64));
    words
}

/// Gives a map of constants its value.
fn set(map: &mut OpenMapMut, bytes: &[u8]) -> Result<()> {
    let name = map.name().to_string_lossy().into_owned();
    let value = map.initial_value_mut().unwrap_or_default();
    check_size(&name, bytes.len(), value.len() as u32)?;
    value.copy_from_slice(bytes);
    Ok(())
}

/// Sizes the maps for this machine.
pub fn size_maps(object: &mut OpenObject, cpus: usize, buffers: &Buffers) -> Result<()> {
    for mut map in object.maps_mut() {
        let entries = match map.name().to_str() {
            Some("tracee_rings") => {
                map.reuse_fd(buffers.map()).doing("hand over the map of rings")?;
                continue;
            }
            Some("tracee_cpus") => cpus,
            Some("tracee_builders") => cpus + SPARE_BUILDERS,
            _ => continue,
        };
        map.set_max_entries(entries as u32).doing("size a BPF map")?;
    }
    Ok(())
}

/// Has an object go by the maps of another.
pub fn share_maps(object: &mut OpenObject, of: &Object) -> Result<()> {
    for mut map in object.maps_mut() {
        let name = map.name().to_string_lossy().into_owned();
        // each has constants of its own
        if !name.contains(".rodata") && !name.contains(".kconfig") {
            map.reuse_fd(find(of, &name)?.as_fd()).doing(format!("share the map {name}"))?;
        }
    }
    Ok(())
}

/// The object with one program alone, loaded and not attached.
pub fn load_one(program: &'static str) -> Result<Object> {
    let cpus = libbpf_rs::num_possible_cpus().doing("count the CPUs")?;
    let buffers = Buffers::new(&budget::rings(cpus as u32, page_size() as u64, None))?;
    // libbpf reads the types when it loads
    let source = Source::new(&Kernel::default())?;
    let mut object = source.open(&Part::of(program))?;
    size_maps(&mut object, cpus, &buffers)?;
    object.load().doing("load a BPF program")
}

/// The map whose name ends so; libbpf puts the object's name before those of sections.
pub fn find<'a>(object: &'a Object, name: &str) -> Result<Map<'a>> {
    let found = object.maps().find(|map| map.name().to_string_lossy().ends_with(name));
    found.ok_or_else(|| Error::new(format!("find the map {name}"), io::ErrorKind::NotFound, "not in the object"))
}

/// What is worth another object: opening one takes longer than the verifier for fewer.
const WORTH_AN_OBJECT: u32 = 150;

/// Programs in shares that take the verifier about as long; no more than `most`, and one where they are few.
pub fn shares(programs: &BTreeSet<&'static str>, most: usize) -> Vec<BTreeSet<&'static str>> {
    let mut ordered: Vec<&str> = programs.iter().copied().collect();
    ordered.sort_by_key(|program| std::cmp::Reverse(weight(program)));
    let sum: u32 = ordered.iter().map(|program| weight(program)).sum();
    let mut shares = vec![(0, BTreeSet::new()); most.min((sum / WORTH_AN_OBJECT) as usize).max(1)];
    for program in ordered {
        let Some((sum, share)) = shares.iter_mut().min_by_key(|(sum, _)| *sum) else { break };
        *sum += weight(program);
        share.insert(program);
    }
    shares.into_iter().map(|(_, share)| share).collect()
}

/// How long the verifier takes, in thousands of instructions that it goes through, where all events are traced.
fn weight(program: &str) -> u32 {
    match program {
        "tracee_groups_exit" => 100,
        "tracee_io_uring_submit_req" => 50,
        "tracee_groups_enter" => 40,
        "tracee_sys_exit" | "tracee_io_uring_complete" | "tracee_sched_process_exit" => 30,
        _ => 15,
    }
}

/// Attaches every program that was loaded. By name: the links; dropped, they are gone.
pub fn attach(object: &Object) -> Result<Vec<(String, Link)>> {
    let name = |program: &ProgramMut| program.name().to_string_lossy().into_owned();
    let mut links = Vec::new();
    let attached = |program: &ProgramMut| program.autoload() && !NOT_ATTACHED.contains(&&*name(program));
    for program in object.progs_mut().filter(attached) {
        let name = name(&program);
        let link = if program.section().as_encoded_bytes().starts_with(b"cgroup") {
            // beside the programs that others have there
            program.attach_cgroup(cgroup::root()?.as_raw_fd())
        } else {
            program.attach()
        };
        if link.is_err() {
            messages::attach_failed(&name);
        }
        let link = link.doing(format!("attach {name}"))?;
        links.push((name, link));
    }
    Ok(links)
}

/// Runs the programs that look at what is there already, where the object has them.
pub fn look_around(object: &Object) -> Result<()> {
    let owners = object.maps().find(|map| map.name() == sockets::OWNERS);
    for program in object.progs_mut().filter(|program| program.autoload() && program.name() == sockets::PROGRAM) {
        let link = program.attach().doing("look for sockets")?;
        if let Some(owners) = &owners {
            sockets::find_owners(&link, owners)?;
        }
    }
    Ok(())
}

/// Both sides must lay out alike what they share.
pub fn check_size(what: &str, ours: usize, theirs: u32) -> Result<()> {
    if ours == theirs as usize {
        return Ok(());
    }
    let detail = format!("{ours} bytes here, {theirs} in the BPF object");
    Err(Error::new(format!("compare the layout of {what}"), io::ErrorKind::InvalidData, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_alike_and_have_all() {
        let large = ["tracee_groups_exit", "tracee_groups_enter", "tracee_io_uring_submit_req"];
        let programs: BTreeSet<&str> = large.into_iter().chain(["a", "b", "c", "d", "e", "f", "g", "h"]).collect();
        let two = shares(&programs, 4);
        let sums: Vec<u32> = two.iter().map(|share| share.iter().map(|program| weight(program)).sum()).collect();
        assert_eq!(sums, [160, 150]);
        assert_eq!(two.into_iter().flatten().collect::<BTreeSet<_>>(), programs);
        assert_eq!(shares(&programs, 1), [programs]);
        assert_eq!(shares(&["tracee_sys_exit", "tracee_exec"].into(), 4).len(), 1);
        assert_eq!(shares(&BTreeSet::new(), 4), [BTreeSet::new()]);
    }
}
