//! The house is kept as DESIGN section 3 draws it: layers by the packages' manifests, tidiness by the sources.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod layers;
mod promises;
mod reference;
mod schemas;
mod tidy;

use std::path::{Path, PathBuf};

/// The workspace's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_owned()
}
