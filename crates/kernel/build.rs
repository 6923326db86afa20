//! Compiles bpf/tracee.bpf.c, with the header of event numbers made from the catalogue: once for the kernels of today,
//! once for those before 5.17 (bpf/include/older.h).

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let catalogue = tracee_catalogue::Catalogue::read(&root.join("catalogue"))?;
    for folder in ["bpf", "bpf/include", "catalogue"] {
        println!("cargo:rerun-if-changed={}", root.join(folder).display());
    }
    println!("cargo:rerun-if-env-changed=CLANG");
    let variable = |name| std::env::var(name).map_err(|e| format!("{name}: {e}"));
    let out = PathBuf::from(variable("OUT_DIR")?);
    let header = out.join("catalogue.h");
    std::fs::write(&header, tracee_catalogue::emit_c::header(&catalogue))
        .map_err(|e| format!("{}: {e}", header.display()))?;

    let arch = match variable("CARGO_CFG_TARGET_ARCH")?.as_str() {
        "x86_64" => "x86",
        "aarch64" => "arm64",
        other => return Err(format!("no kernel side for {other}: x86_64 and aarch64 only")),
    };
    // the headers of the libbpf that libbpf-sys carries
    let libbpf = variable("DEP_BPF_INCLUDE")?;
    let clang = std::env::var("CLANG").unwrap_or_else(|_| "clang".into());
    for (object, older) in [("tracee.bpf.o", 0), ("tracee-older.bpf.o", 1)] {
        let object = out.join(object);
        let output = Command::new(&clang)
            .args(["-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Werror"])
            .arg(format!("-D__TARGET_ARCH_{arch}"))
            .arg(format!("-DOLDER_KERNEL={older}"))
            .arg("-I")
            .arg(&out)
            .arg("-I")
            .arg(&libbpf)
            .arg("-I")
            .arg(format!("/usr/include/{}-linux-gnu", std::env::consts::ARCH)) // asm/types.h, on Debian
            .arg("-I")
            .arg(root.join("bpf"))
            .arg("-c")
            .arg(root.join("bpf/tracee.bpf.c"))
            .arg("-o")
            .arg(&object)
            .output()
            .map_err(|e| format!("{clang}: {e} (`make prerequisites` installs it; CLANG names another)"))?;
        if !output.status.success() {
            return Err(format!("{clang}:\n{}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    Ok(())
}
