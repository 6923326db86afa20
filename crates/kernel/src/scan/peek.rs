//! The kernel's memory, read by the program of bpf/peek.bpf.c, which runs when we say so.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use libbpf_rs::{MapCore, MapFlags, MapHandle, Object};

use crate::error::{Doing, Error, Result};

/// `PEEK_MAX`
pub const MOST: usize = 4096;
const NO_FIELD: u32 = u32::MAX;

/// `enum peek_operation`
#[derive(Clone, Copy)]
enum Operation {
    Memory = 0,
    File = 1,
    Layout = 2,
}

/// `struct layout`: offsets of fields in bytes.
#[derive(Debug, Clone, Copy, zerocopy::FromBytes, zerocopy::KnownLayout, zerocopy::Immutable)]
#[repr(C)]
pub struct Layout {
    pub module_list: u32,
    pub module_name: u32,
    pub module_srcversion: u32,
    pub module_state: u32,
    pub mod_tree_node_mod: u32,
    pub mod_tree_node_node: u32,
    pub module_kobject_kobj: u32,
    pub module_kobject_mod: u32,
    pub kset_list: u32,
    pub kobject_entry: u32,
    pub file_inode: u32,
    pub file_operations: u32,
    pub proc_inode_inode: u32,
    pub proc_inode_pde: u32,
    pub pde_seq_ops: u32,
    pub file_dentry: u32,
    pub dentry_hash: u32,
    pub dentry_parent: u32,
    pub dentry_name: u32,
    pub name_hash: u32,
    pub name_text: u32,
    pub seq_operations: [u32; 4],
    pub operations: [u32; 8],
}

impl Layout {
    pub const SEQ_OPERATIONS: [&'static str; 4] = ["start", "stop", "next", "show"];
    pub const OPERATIONS: [&'static str; 8] =
        ["llseek", "read", "read_iter", "iterate", "iterate_shared", "open", "release", "unlocked_ioctl"];
}

/// An offset, or `None` where this kernel's types have no such field.
pub fn offset(field: u32) -> Option<u64> {
    (field != NO_FIELD).then_some(field.into())
}

pub struct Peek {
    program: OwnedFd,
    answers: MapHandle,
    pub layout: Layout,
}

impl Peek {
    /// The object has the program loaded.
    ///
    /// # Errors
    /// The kernel cannot run it.
    pub fn new(object: &Object) -> Result<Peek> {
        let missing = |what| Error::new("read the kernel's memory", std::io::ErrorKind::NotFound, what);
        let program = object.progs().find(|program| program.name() == "tracee_peek");
        let program = program.ok_or_else(|| missing("the program is not there"))?;
        let answers = object.maps().find(|map| map.name() == "tracee_peeked");
        let answers = answers.ok_or_else(|| missing("the map is not there"))?;
        let mut peek = Peek {
            program: program.as_fd().try_clone_to_owned().doing("hold the program that peeks")?,
            answers: MapHandle::try_from(&answers).doing("hold the map that it answers in")?,
            layout: zerocopy::FromBytes::read_from_bytes(&[0xff; size_of::<Layout>()]).expect("of its size"),
        };
        let bytes = peek.run(Operation::Layout, 0, size_of::<Layout>());
        let bytes = bytes.ok_or_else(|| missing("the kernel does not run the program"))?;
        peek.layout = zerocopy::FromBytes::read_from_bytes(&bytes).map_err(|_| missing("a layout of another size"))?;
        Ok(peek)
    }

    fn run(&self, operation: Operation, address: u64, length: usize) -> Option<Vec<u8>> {
        let context = [operation as u64, address, length as u64, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut options = libbpf_sys::bpf_test_run_opts {
            sz: size_of::<libbpf_sys::bpf_test_run_opts>() as libbpf_sys::size_t,
            ctx_in: context.as_ptr().cast(),
            ctx_size_in: size_of_val(&context) as u32,
            ..Default::default()
        };
        // SAFETY: the options and what they point at live through the call
        let failed = unsafe { libbpf_sys::bpf_prog_test_run_opts(self.program.as_raw_fd(), &mut options) };
        if failed != 0 || options.retval != 0 {
            return None;
        }
        let mut answer = self.answers.lookup(&0u32.to_ne_bytes(), MapFlags::ANY).ok()??;
        answer.truncate(length);
        Some(answer)
    }

    /// `length` bytes, at most [`MOST`]; `None` where they cannot be read.
    pub fn bytes(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        self.run(Operation::Memory, address, length)
    }

    pub fn word(&self, address: u64) -> Option<u64> {
        self.bytes(address, 8)?.first_chunk().copied().map(u64::from_le_bytes)
    }

    /// Words that follow each other; shorter from the first page on that cannot be read.
    pub fn words(&self, address: u64, count: usize) -> Vec<u64> {
        let mut words = Vec::with_capacity(count);
        while words.len() < count {
            let now = (count - words.len()).min(MOST / 8);
            let Some(bytes) = self.bytes(address + 8 * words.len() as u64, 8 * now) else { break };
            words.extend(bytes.chunks_exact(8).filter_map(|w| w.first_chunk().copied().map(u64::from_le_bytes)));
        }
        words
    }

    /// A text that ends with NUL or after `most` bytes.
    pub fn text(&self, address: u64, most: usize) -> Option<String> {
        let bytes = self.bytes(address, most)?;
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
    }

    /// The kernel's `struct file` of a file that we hold open.
    pub fn file(&self, file: &impl AsRawFd) -> Option<u64> {
        let bytes = self.run(Operation::File, file.as_raw_fd() as u64, 8)?;
        bytes.first_chunk().copied().map(u64::from_le_bytes)
    }
}
