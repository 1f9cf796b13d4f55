//! What every object needs before it is loaded.

use aya::Btf as AyaBtf;
use procwatch_common::layout::KernelLayout;

use super::{
    btf::Btf,
    layout::{self, Wanted},
    limits, older,
    refusal::AttachError,
};

pub(super) const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

/// Where this kernel has what the programs of `trace` and `latency` read, and its types for the loader.
///
/// # Errors
/// When the kernel has no type information, or lacks something that no program can do without.
pub(super) fn known_to_programs() -> Result<(KernelLayout, AyaBtf), AttachError> {
    limits::raise();
    let data = std::fs::read(BTF_PATH).map_err(AttachError::NoBtf)?;
    let types = Btf::parse(data, layout::NAMES).map_err(AttachError::Btf)?;
    let wanted = Wanted {
        task_storage: older::has_task_storage(),
        connections: false,
    };
    let layout = layout::resolve(&types, 1, 0, wanted).map_err(AttachError::Layout)?;
    let btf = AyaBtf::from_sys_fs().map_err(|error| AttachError::Load(error.to_string()))?;
    Ok((layout, btf))
}
