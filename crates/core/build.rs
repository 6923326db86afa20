//! Makes the tables of events and names from the catalogue.

use std::path::{Path, PathBuf};

fn main() -> Result<(), String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalogue");
    let catalogue = tracee_catalogue::Catalogue::read(&folder)?;
    println!("cargo:rerun-if-changed={}", folder.display());
    for file in &catalogue.files {
        println!("cargo:rerun-if-changed={}", file.display());
    }
    let variable = |name| std::env::var(name).map_err(|e| format!("{name}: {e}"));
    let out = PathBuf::from(variable("OUT_DIR")?).join("catalogue.rs");
    let text = tracee_catalogue::emit_rust::tables(&catalogue, &variable("CARGO_CFG_TARGET_ARCH")?);
    std::fs::write(&out, text).map_err(|e| format!("{}: {e}", out.display()))
}
