//! Known dynamic loaders (`PT_INTERP`): the kernel starts the loader, which decides what runs.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::Arch;
use dated_data::{DataError, parse};

/// The data that is built into the program, `[[file name, file]]` as `build.rs` writes it.
const BUILTIN: &str = include_str!(concat!(env!("OUT_DIR"), "/loaders.json"));

static FILES: LazyLock<Vec<(String, File)>> = LazyLock::new(|| {
    // A test reads this data. If it cannot be parsed, no loader is known.
    serde_json::from_str(BUILTIN).unwrap_or_default()
});

/// The content of `data/loaders.yaml`, which documents the fields.
#[derive(Deserialize)]
struct File {
    directories: Vec<String>,
    loaders: Vec<Loaders>,
}

/// The loaders of one processor.
#[derive(Deserialize)]
struct Loaders {
    arch: String,
    names: Vec<String>,
}

impl File {
    fn has(&self, directory: &str, name: &str, arch: &str) -> bool {
        let mut of_arch = self.loaders.iter().filter(|it| it.arch == arch);
        self.directories.iter().any(|known| known == directory)
            && of_arch.any(|it| it.names.iter().any(|known| known == name))
    }
}

/// Checks that a file of loaders can be parsed.
pub fn read_loaders(name: &str, text: &str) -> Result<(), DataError> {
    parse::<File>(name, text).map(drop)
}

/// Checks whether a known system for this processor has a loader at this path.
pub(super) fn is_known(path: &str, arch: Option<&Arch>) -> bool {
    let (Some((directory, name)), Some(Arch(arch))) = (path.rsplit_once('/'), arch) else {
        return false;
    };
    FILES
        .iter()
        .any(|(_, file)| file.has(directory, name, arch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_loader_by_whole_path_and_processor() {
        for (path, arch, expected) in [
            ("/lib64/ld-linux-x86-64.so.2", "amd64", true),
            ("/lib/ld-musl-x86_64.so.1", "amd64", true),
            ("/lib/ld-linux-aarch64.so.1", "arm64", true),
            ("/lib/ld64.so.1", "s390x", true),
            ("/usr/libexec/ld.so", "amd64", true),
            ("/lib64/ld-linux-x86-64.so.2", "arm64", false),
            ("/tmp/ld-linux-x86-64.so.2", "amd64", false),
            ("/lib64/../tmp/ld-linux-x86-64.so.2", "amd64", false),
            ("lib64/ld-linux-x86-64.so.2", "amd64", false),
            ("/lib64/ld-linux-x86-64.so.2x", "amd64", false),
            ("ld-linux-x86-64.so.2", "amd64", false),
            ("/tmp/evil", "amd64", false),
            ("/bin/sh", "amd64", false),
            ("", "amd64", false),
            ("/lib/ld.so.1", "sparc", false),
        ] {
            assert_eq!(
                is_known(path, Some(&Arch(arch.into()))),
                expected,
                "{path} {arch}"
            );
        }
        assert!(!is_known("/lib64/ld-linux-x86-64.so.2", None));
    }
}
