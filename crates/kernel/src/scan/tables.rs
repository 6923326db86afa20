//! Tables of functions that rootkits write to: each entry should lead into the kernel's own code.

use std::fs::File;

use tracee_core::catalogue::{Call, COMPAT_CALLS, NATIVE_CALLS};

use super::peek::{offset, Layout, Peek};
use super::symbols::{Symbols, SYSTEM};

/// Something that leads where it should not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hooked {
    /// The system call, or the entry of a table.
    pub name: String,
    pub address: u64,
}

/// What system calls' functions are called: `__x64_sys_read`, `__ia32_compat_sys_...`, `__arm64_sys_...`.
const FUNCTIONS: [&str; 6] =
    ["__x64_sys_", "__x32_compat_sys_", "__ia32_sys_", "__ia32_compat_sys_", "__arm64_sys_", "__arm64_compat_sys_"];
/// What every call goes through before its function.
const ENTRIES: [&str; 8] = [
    "x64_sys_call",
    "x32_sys_call",
    "ia32_sys_call",
    "do_syscall_64",
    "do_int80_syscall_32",
    "entry_SYSCALL_64",
    "do_el0_svc",
    "invoke_syscall",
];
/// Names of tables, and the calls by their place in them.
const TABLES: [(&str, &[Call]); 3] = [
    ("sys_call_table", &NATIVE_CALLS),
    ("ia32_sys_call_table", &COMPAT_CALLS),
    ("compat_sys_call_table", &COMPAT_CALLS),
];
/// Those who put jumps where functions begin because somebody asked the kernel to: told as `ftrace_hook`.
const MAKERS: [&str; 3] = ["__builtin__ftrace", "__builtin__kprobes", "bpf"];

/// System calls whose entry in a table, or whose first instruction, leads out of the kernel's code.
pub fn syscalls(peek: &Peek, symbols: &Symbols) -> Vec<Hooked> {
    let mut found = Vec::new();
    for (table, calls) in TABLES {
        let Some(address) = symbols.address(table) else { continue };
        let longest = calls.iter().map(|call| u64::from(call.number) + 1).max().unwrap_or(0);
        // the table of an older kernel is shorter: it ends where something else begins, or with what fills the gap
        let room = symbols.after(address).map_or(0, |next| (next - address) / 8);
        let entries = peek.words(address, longest.min(room) as usize);
        for call in calls {
            let Some(&entry) = entries.get(call.number as usize) else { continue };
            if entry != 0 && !is_call(symbols, entry) {
                found.push(Hooked { name: call.name.into(), address: entry });
            }
        }
    }
    for (address, name, _) in symbols.iter().filter(|(_, _, owner)| *owner == SYSTEM) {
        let call = FUNCTIONS.iter().find_map(|prefix| name.strip_prefix(prefix));
        if call.is_none() && !ENTRIES.contains(&name) {
            continue;
        }
        if let Some(target) = diverted(peek, address).filter(|target| !is_legal(peek, symbols, *target)) {
            found.push(Hooked { name: call.unwrap_or(name).into(), address: target });
        }
    }
    found.dedup();
    found
}

/// Whether an entry of the table is the beginning of a system call's function.
fn is_call(symbols: &Symbols, entry: u64) -> bool {
    symbols.core.contains(&entry) && symbols.names(entry).any(|name| name.contains("sys_"))
}

fn is_legal(peek: &Peek, symbols: &Symbols, target: u64) -> bool {
    symbols.core.contains(&target)
        || symbols.place(target).is_some_and(|place| MAKERS.contains(&place.owner))
        || is_trampoline(peek, symbols, target)
}

/// Whether code is what the kernel makes to call BPF programs: it calls the functions that count these in. On hardened
/// machines (net.core.bpf_jit_harden) such code has no symbols.
fn is_trampoline(peek: &Peek, symbols: &Symbols, code: u64) -> bool {
    const LENGTH: usize = 512;
    let Some(bytes) = peek.bytes(code, LENGTH) else { return false };
    let calls = bytes.windows(5).enumerate().filter(|(_, window)| window[0] == 0xe8).filter_map(|(at, window)| {
        let distance = i32::from_le_bytes(*window[1..].first_chunk()?);
        Some(code.wrapping_add(at as u64 + 5).wrapping_add_signed(distance.into()))
    });
    let counts = |name: &str| name.starts_with("__bpf_prog_enter") || name.starts_with("__bpf_tramp_enter");
    calls.filter(|target| symbols.core.contains(target)).any(|target| symbols.names(target).any(counts))
}

/// Where the code at an address jumps before it does anything else.
fn diverted(peek: &Peek, address: u64) -> Option<u64> {
    let code = peek.bytes(address, 20)?;
    match cfg!(target_arch = "x86_64") {
        true => match x86_jump(&code, address)? {
            Jump::To(target) => Some(target),
            Jump::Through(pointer) => peek.word(pointer),
        },
        false => arm64_jump(&code, address),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Jump {
    To(u64),
    /// To the address that stands there.
    Through(u64),
}

fn x86_jump(code: &[u8], address: u64) -> Option<Jump> {
    const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];
    let skipped = if code.starts_with(&ENDBR64) { 4 } else { 0 };
    let code = &code[skipped..];
    let relative = |at: usize| {
        let distance = i32::from_le_bytes(*code.get(at..)?.first_chunk()?);
        Some(address.wrapping_add((skipped + at + 4) as u64).wrapping_add_signed(distance.into()))
    };
    match code {
        [0xe8 | 0xe9, ..] => relative(1).map(Jump::To),            // call, jmp
        [0xff, 0x15 | 0x25, ..] => relative(2).map(Jump::Through), // call, jmp through memory
        // mov r64, imm64; then jmp or push and ret
        [0x48, 0xb8..=0xbf, rest @ ..]
            if rest.get(8..).is_some_and(|next| matches!(next, [0xff | 0x50..=0x57, ..])) =>
        {
            Some(Jump::To(u64::from_le_bytes(*rest.first_chunk()?)))
        }
        [0x68, rest @ ..] if rest.get(4) == Some(&0xc3) => {
            Some(Jump::To(i64::from(i32::from_le_bytes(*rest.first_chunk()?)) as u64))
            // push imm32; ret
        }
        _ => None,
    }
}

/// A branch among the first instructions; before it there may be nops and what guards return addresses.
fn arm64_jump(code: &[u8], address: u64) -> Option<u64> {
    const PASSED: [u32; 4] = [0xd503_201f, 0xd503_245f, 0xd503_233f, 0xaa1e_03e9]; // nop, bti c, paciasp, mov x9, x30
    for (i, word) in code.chunks_exact(4).enumerate() {
        let instruction = u32::from_le_bytes(*word.first_chunk()?);
        if PASSED.contains(&instruction) {
            continue;
        }
        let distance = i64::from((instruction << 6) as i32 >> 6) * 4;
        let is_branch = matches!(instruction >> 26, 0b00_0101 | 0b10_0101);
        return is_branch.then(|| address.wrapping_add(4 * i as u64).wrapping_add_signed(distance));
    }
    None
}

/// The files whose printing shows sockets, with the name of the table of functions behind each.
const SOCKET_FILES: [(&str, &str); 6] = [
    ("tcp4_seq_ops", "/proc/self/net/tcp"),
    ("tcp6_seq_ops", "/proc/self/net/tcp6"),
    ("udp_seq_ops", "/proc/self/net/udp"),
    ("udp6_seq_ops", "/proc/self/net/udp6"),
    ("raw_seq_ops", "/proc/self/net/raw"),
    ("raw6_seq_ops", "/proc/self/net/raw6"),
];

/// The functions that print sockets, where they are not the kernel's own. They are reached by files that we open, so no
/// symbol is needed.
pub fn seq_operations(peek: &Peek, symbols: &Symbols) -> Vec<Hooked> {
    let mut found = Vec::new();
    for (table, path) in SOCKET_FILES {
        let Some(operations) = File::open(path).ok().and_then(|file| seq_table(peek, &file)) else { continue };
        let fields = Layout::SEQ_OPERATIONS.iter().zip(peek.layout.seq_operations);
        for (address, name) in functions(peek, operations, fields) {
            // IPv6 may be a module
            let own = symbols.place(address).is_some_and(|place| [SYSTEM, "ipv6"].contains(&place.owner));
            if !own {
                found.push(Hooked { name: format!("{table}_{name}"), address });
            }
        }
    }
    found
}

fn seq_table(peek: &Peek, file: &File) -> Option<u64> {
    let layout = &peek.layout;
    let inode = peek.word(peek.file(file)? + offset(layout.file_inode)?)?;
    let proc_inode = inode - offset(layout.proc_inode_inode)?;
    let entry = peek.word(proc_inode + offset(layout.proc_inode_pde)?)?;
    peek.word(entry + offset(layout.pde_seq_ops)?).filter(|operations| *operations != 0)
}

/// The functions that list /proc, where they are not the kernel's own.
pub fn proc_operations(peek: &Peek, symbols: &Symbols) -> Vec<Hooked> {
    let table = || {
        let file = peek.file(&File::open("/proc").ok()?)?;
        peek.word(file + offset(peek.layout.file_operations)?)
    };
    let fields = Layout::OPERATIONS.iter().zip(peek.layout.operations);
    let all = table().map(|table| functions(peek, table, fields)).unwrap_or_default();
    let foreign = all.into_iter().filter(|(address, _)| !symbols.core.contains(address));
    foreign.map(|(address, name)| Hooked { name: name.into(), address }).collect()
}

/// The functions in a table, by the offsets of its fields.
fn functions<'a>(
    peek: &Peek,
    table: u64,
    fields: impl Iterator<Item = (&'a &'static str, u32)>,
) -> Vec<(u64, &'static str)> {
    let read = fields.filter_map(|(name, field)| Some((peek.word(table + offset(field)?)?, *name)));
    read.filter(|(address, _)| *address != 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_jumps_that_hooks_are_made_of() {
        let at = 0xffff_ffff_8100_0000;
        let nop = [0x0f, 0x1f, 0x44, 0, 0, 0x55, 0x48, 0x89, 0xe5, 0x41, 0x57, 0x41, 0x56];
        assert_eq!(x86_jump(&nop, at), None);
        assert_eq!(x86_jump(&[0xe9, 0, 0x10, 0, 0], at), Some(Jump::To(at + 0x1005)));
        let guarded = [0xf3, 0x0f, 0x1e, 0xfa, 0xe8, 0xf7, 0xff, 0xff, 0xff];
        assert_eq!(x86_jump(&guarded, at), Some(Jump::To(at)));
        assert_eq!(x86_jump(&[0xff, 0x25, 2, 0, 0, 0], at), Some(Jump::Through(at + 8)));
        let loaded = [0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 0xff, 0xe0];
        assert_eq!(x86_jump(&loaded, at), Some(Jump::To(0x0807_0605_0403_0201)));
        assert_eq!(x86_jump(&[0x68, 0, 0, 0, 0xc0, 0xc3], at), Some(Jump::To(0xffff_ffff_c000_0000)));
        // cut anywhere, it finds nothing
        for end in 0..5 {
            assert_eq!(x86_jump(&[0xe9, 0, 0x10, 0, 0][..end], at), None);
        }
    }

    #[test]
    fn follows_branches_of_arm64() {
        let code = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
        assert_eq!(arm64_jump(&code(&[0xd503_245f, 0x1400_0002]), 0x1000), Some(0x100c));
        assert_eq!(arm64_jump(&code(&[0x97ff_ffff]), 0x1000), Some(0xffc));
        assert_eq!(arm64_jump(&code(&[0xd503_233f, 0xa9bf_7bfd]), 0x1000), None);
    }
}
