//! What objects export alike by their making, so that it says nothing of one standing in for another.

/// Put into every object by linkers and start files: where its parts begin and end, and what runs first and last.
const OF_EVERY_OBJECT: [&[u8]; 22] = [
    b"_init",
    b"_fini",
    b"_start",
    b"_edata",
    b"edata",
    b"_end",
    b"end",
    b"_etext",
    b"etext",
    b"__etext",
    b"__bss_start",
    b"__bss_start__",
    b"__bss_end__",
    b"_bss_end__",
    b"__end__",
    b"__data_start",
    b"data_start",
    b"__exidx_start",
    b"__exidx_end",
    b"__gmon_start__",
    b"__dso_handle",
    b"_GLOBAL_OFFSET_TABLE_",
];

/// Carried by each object that was made with a language of its own: the runtimes of Rust and Go, and what gcc's coverage
/// and stack checks leave behind.
const OF_RUNTIMES: [&[u8]; 9] = [
    b"rust_eh_personality",
    b"__rust_alloc",
    b"__rust_dealloc",
    b"__rust_realloc",
    b"__rust_alloc_zeroed",
    b"crosscall2",
    b"_cgo_topofstack",
    b"_cgo_panic",
    b"__stack_chk_fail_local",
];

/// Whether a name that two objects have is noise. `shared`: both say that any definition will do, as C++ does of inline
/// functions and templates, whose every user carries one.
pub fn is_noise(name: &[u8], shared: bool) -> bool {
    OF_EVERY_OBJECT.contains(&name) || OF_RUNTIMES.contains(&name) || shared && name.starts_with(b"_Z")
}

/// The C library and what comes with it and the compiler. They share names by design: the loader has its own malloc and
/// __tls_get_addr until libc's is there; libc has the few functions of libm that printf needs; libpthread, and the stubs
/// that it left when it became a part of libc, repeat libc's; libstdc++ has what an older libm lacks, libgcc the rest of
/// the arithmetic.
const FAMILY: [&[u8]; 16] = [
    b"libc",
    b"libm",
    b"libmvec",
    b"libpthread",
    b"libdl",
    b"librt",
    b"libutil",
    b"libanl",
    b"libresolv",
    b"libnsl",
    b"libBrokenLocale",
    b"libthread_db",
    b"libc_malloc_debug",
    b"libstdc++",
    b"libgcc_s",
    b"libatomic",
];

/// Where they stand on every system. Somebody who must not write there cannot pass a library off as one of them.
const SYSTEM_FOLDERS: [&[u8]; 5] = [b"/lib", b"/usr/lib", b"/nix/store/", b"/gnu/store/", b"/run/current-system/"];

/// Whether two objects are both of the C library's family, by their paths.
pub fn are_a_family(one: &[u8], other: &[u8]) -> bool {
    is_family(one) && is_family(other)
}

/// Whether an object is a dynamic loader, by its path.
pub fn is_loader(path: &[u8]) -> bool {
    name_in_system(path).is_some_and(is_loader_name)
}

fn is_family(path: &[u8]) -> bool {
    name_in_system(path).is_some_and(|name| FAMILY.contains(&name) || is_loader_name(name))
}

fn is_loader_name(name: &[u8]) -> bool {
    [&b"ld"[..], b"ld64"].contains(&name) || name.starts_with(b"ld-linux") || name.starts_with(b"ld-musl-")
}

/// A library's name without its version: `libm` of `/lib/libm-2.31.so` and `/lib/libm.so.6`.
fn name_in_system(path: &[u8]) -> Option<&[u8]> {
    if !SYSTEM_FOLDERS.iter().any(|folder| path.starts_with(folder)) {
        return None;
    }
    let file = path.rsplit(|byte| *byte == b'/').next()?;
    let name = &file[..file.windows(3).position(|window| window == b".so")?];
    let version = name.windows(2).rposition(|window| window == b"-2");
    Some(&name[..version.unwrap_or(name.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_is_known_where_it_stands() {
        let libc = b"/usr/lib/x86_64-linux-gnu/libc.so.6";
        for other in [
            &b"/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"[..],
            b"/lib64/ld-2.31.so",
            b"/lib/x86_64-linux-gnu/libm-2.31.so",
            b"/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30",
            b"/lib/ld-musl-x86_64.so.1",
            b"/lib64/ld64.so.1",
        ] {
            assert!(are_a_family(libc, other), "{}", String::from_utf8_lossy(other));
        }
        assert!(is_loader(b"/lib64/ld-linux-x86-64.so.2") && is_loader(b"/lib/ld-2.31.so") && !is_loader(libc));
        for other in [&b"/tmp/libm.so.6"[..], b"/usr/lib/libcrypto.so.3", b"/usr/lib/ldap.so", b"/usr/lib/libm", b"/"] {
            assert!(!are_a_family(libc, other), "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn noise_is_what_says_nothing() {
        assert!(is_noise(b"_init", false));
        assert!(is_noise(b"_ZNSt6vectorIiSaIiEED1Ev", true));
        assert!(!is_noise(b"_ZN3foo3barEv", false));
        assert!(!is_noise(b"getenv", true));
    }
}
