//! Compiles a library of the kit that is put in front of libc in one gateway's process.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles `kit/<name>.c` into a folder; what `LD_PRELOAD` is to name.
pub(crate) fn compile(name: &str, folder: &Path) -> PathBuf {
    let library = folder.join(name).with_extension("so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("kit").join(name).with_extension("c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&library).arg(&source);
    let status = compiler.status().expect("a C compiler");
    assert!(status.success(), "{} does not compile", source.display());
    library
}
