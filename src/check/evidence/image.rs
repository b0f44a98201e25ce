//! What keeps the programs of an image from being all that it starts.

use super::{name, starter};
use crate::facts::{ImageProgram, Role};

/// Variables by which the dynamic loader takes other code into a process.
const LOADER: [&str; 3] = ["LD_AUDIT", "LD_LIBRARY_PATH", "LD_PRELOAD"];

/// Why the entry point of an image is none of the programs that were read.
pub(super) fn other_entry_point(role: Role, programs: &[ImageProgram]) -> Option<String> {
    let first = programs
        .first()
        .and_then(|program| program.command.first())?;
    let by_path = first.contains('/');
    let unread = by_path && programs.iter().all(|program| program.path != *first);
    let own = starter(role);
    (name(first) != own || unread).then(|| format!("its image starts `{first}`, not {own}"))
}

/// Why other code is loaded into every process of an image.
pub(super) fn preloaded(program: &ImageProgram) -> Option<String> {
    let pairs = program.env.iter().filter_map(|pair| pair.split_once('='));
    let mut set = pairs.filter(|(_, value)| !value.is_empty());
    let (variable, _) = set.find(|(name, _)| LOADER.contains(name))?;
    Some(format!(
        "its image sets {variable}, by which the loader takes other code into the process"
    ))
}
