//! Making the rings of the CPUs.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use libbpf_rs::{MapCore, MapFlags, MapHandle, MapType};
use tracee_core::budget;

use crate::error::{Doing, Result};
use crate::mapping::page_size;
use crate::ring::Ring;

/// The rings of the CPUs, and the map that the programs find them in.
pub struct Buffers {
    outer: MapHandle,
    count: u32,
    bytes: u64,
}

fn create(
    what: MapType,
    name: &str,
    sizes: (u32, u32, u32),
    inner: Option<&MapHandle>,
) -> libbpf_rs::Result<MapHandle> {
    let options = libbpf_sys::bpf_map_create_opts {
        sz: size_of::<libbpf_sys::bpf_map_create_opts>() as libbpf_sys::size_t,
        inner_map_fd: inner.map_or(0, |map| map.as_fd().as_raw_fd() as u32),
        ..Default::default()
    };
    let (key, value, entries) = sizes;
    MapHandle::create(what, Some(name), key, value, entries, &options)
}

impl Buffers {
    pub fn new(sizes: &budget::Rings) -> Result<Buffers> {
        let like = create(MapType::RingBuf, "tracee_ring", (0, 0, page_size() as u32), None).doing("make a ring")?;
        let outer = create(MapType::ArrayOfMaps, "tracee_rings", (4, 4, sizes.rings), Some(&like));
        Ok(Buffers { outer: outer.doing("make the map of rings")?, count: sizes.rings, bytes: sizes.bytes })
    }

    /// The map that the programs find the rings in.
    pub fn map(&self) -> BorrowedFd<'_> {
        self.outer.as_fd()
    }

    /// Makes the rings and puts them in their places, all at once where the kernel can (5.11).
    pub fn make_rings(&self) -> Result<Vec<Ring>> {
        let doing = format!("make a ring of {} KiB", self.bytes >> 10);
        let make = |_| create(MapType::RingBuf, "tracee_ring", (0, 0, self.bytes as u32), None);
        let maps: Vec<MapHandle> = (0..self.count).map(make).collect::<libbpf_rs::Result<_>>().doing(doing)?;
        let keys: Vec<u8> = (0..self.count).flat_map(u32::to_ne_bytes).collect();
        let fds: Vec<u8> = maps.iter().flat_map(|map| map.as_fd().as_raw_fd().to_ne_bytes()).collect();
        if self.outer.update_batch(&keys, &fds, self.count, MapFlags::ANY, MapFlags::ANY).is_err() {
            for (key, fd) in keys.chunks(4).zip(fds.chunks(4)) {
                self.outer.update(key, fd, MapFlags::ANY).doing("put a ring in its place")?;
            }
        }
        maps.into_iter().map(|map| Ring::new(map, self.bytes)).collect()
    }
}
