//! Detects images that start a program other than those that were read.

use super::{name, starter};
use crate::facts::{ImageProgram, Role};

/// Returns why the entry point of an image is not one of the programs that were read.
pub(super) fn other_entry_point(role: Role, programs: &[ImageProgram]) -> Option<String> {
    let first = programs
        .first()
        .and_then(|program| program.command.first())?;
    let by_path = first.contains('/');
    let unread = by_path && programs.iter().all(|program| program.path != *first);
    let own = starter(role);
    (name(first) != own || unread).then(|| format!("its image starts `{first}`, not {own}"))
}
