// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The host's side of seL4: makes bootable images, boots them in QEMU, decodes what comes back.
//!
//! ```text
//! objects ──bundle::encode──► bundle ─┐
//!                 sel4-loader.elf ────┴─root_task_image──► root task ─┐
//!                                          kernel.elf ────────────────┴─bootable_image──► image
//! image ──Qemu::run──► output, exit codes
//! ```
//!
//! The two prebuilt files come from a folder that the caller names ([`Artifacts`]).

pub mod directories;
mod elf;
mod image;
mod qemu;

pub use image::{ImageError, bootable_image, hosted, is_image, root_task_image};
pub use qemu::{Events, Outcome, Qemu, QemuError, qemu_command_line};
/// The bundle's format.
pub use sel4_boot::bundle;

use std::io;
use std::path::{Path, PathBuf};

/// The prebuilt kernel and root task.
#[derive(Clone, Debug)]
pub struct Artifacts {
    /// The kernel, as a 32-bit multiboot ELF file.
    pub kernel: Vec<u8>,
    /// The root task without a payload.
    pub loader: Vec<u8>,
}

/// A file of [`Artifacts`] cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {source}; `cargo xtask build` makes the seL4 files", path.display())]
pub struct ArtifactError {
    path: PathBuf,
    source: io::Error,
}

impl Artifacts {
    /// Name of the kernel's file in the share folder.
    pub const KERNEL: &str = "kernel.elf";
    /// Name of the root task's file in the share folder.
    pub const LOADER: &str = "sel4-loader.elf";

    /// Reads both files from the folder `sel4` of a share folder.
    ///
    /// # Errors
    /// Where one cannot be read.
    pub fn read(share: &Path) -> Result<Self, ArtifactError> {
        let read = |name| {
            let path = share.join("sel4").join(name);
            std::fs::read(&path).map_err(|source| ArtifactError { path, source })
        };
        Ok(Self {
            kernel: read(Self::KERNEL)?,
            loader: read(Self::LOADER)?,
        })
    }

    /// One file that `qemu-system-x86_64 -kernel` and multiboot loaders boot.
    ///
    /// # Errors
    /// As [`root_task_image`] and [`bootable_image`].
    pub fn image(&self, bundle: &[u8]) -> Result<Vec<u8>, ImageError> {
        bootable_image(&self.kernel, &root_task_image(&self.loader, bundle)?)
    }
}
