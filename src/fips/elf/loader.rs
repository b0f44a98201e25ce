//! The programs that load others (`PT_INTERP`): the kernel starts the loader, which decides what runs.

use crate::fips::Arch;

/// Paths of the loaders of Linux distributions and of the BSDs, by Go's name of the processor.
///
/// Sources, seen on 2026-11-30: Go 1.26.8 `cmd/link/internal/*/obj.go` (`Linuxdynld`, `LinuxdynldMusl`,
/// `Freebsddynld`, `Openbsddynld`, `Netbsddynld`); glibc 2.36 `sysdeps/unix/sysv/linux/*/shlib-versions` and
/// `ldconfig.h`; musl 1.2.3 `configure` (`ld-musl-$ARCH$SUBARCH.so.1`). Distributions with one directory for
/// libraries link `/lib64` and `/usr/lib64` to each other.
const LOADERS: [(&str, &[&str]); 15] = [
    (
        "amd64",
        &[
            "ld-linux-x86-64.so.2",
            "ld-musl-x86_64.so.1",
            "ld-elf.so.1",
            "ld.so",
            "ld.elf_so",
        ],
    ),
    ("amd64p32", &["ld-linux-x32.so.2", "ld-musl-x32.so.1"]),
    (
        "arm64",
        &[
            "ld-linux-aarch64.so.1",
            "ld-musl-aarch64.so.1",
            "ld-elf.so.1",
            "ld.so",
            "ld.elf_so",
        ],
    ),
    (
        "386",
        &[
            "ld-linux.so.2",
            "ld-musl-i386.so.1",
            "ld-elf.so.1",
            "ld.so",
            "ld.elf_so",
        ],
    ),
    (
        "arm",
        &[
            "ld-linux.so.3",
            "ld-linux-armhf.so.3",
            "ld-musl-arm.so.1",
            "ld-musl-armhf.so.1",
            "ld-elf.so.1",
            "ld.so",
            "ld.elf_so",
        ],
    ),
    ("ppc64", &["ld64.so.1", "ld-musl-powerpc64.so.1", "ld.so"]),
    (
        "ppc64le",
        &["ld64.so.2", "ld-musl-powerpc64le.so.1", "ld.so"],
    ),
    ("ppc", &["ld.so.1", "ld-musl-powerpc.so.1"]),
    ("s390x", &["ld64.so.1", "ld-musl-s390x.so.1"]),
    (
        "riscv64",
        &[
            "ld.so.1",
            "ld-linux-riscv64-lp64d.so.1",
            "ld-linux-riscv64-lp64.so.1",
            "ld-musl-riscv64.so.1",
            "ld-elf.so.1",
            "ld.so",
        ],
    ),
    (
        "loong64",
        &["ld-linux-loongarch-lp64d.so.1", "ld-musl-loongarch64.so.1"],
    ),
    ("mips", &["ld.so.1", "ld-musl-mips.so.1"]),
    ("mipsle", &["ld.so.1", "ld-musl-mipsel.so.1"]),
    (
        "mips64",
        &["ld64.so.1", "ld.so.1", "ld-musl-mips64.so.1", "ld.so"],
    ),
    (
        "mips64le",
        &["ld64.so.1", "ld.so.1", "ld-musl-mips64el.so.1", "ld.so"],
    ),
];

/// Directories that loaders are in: only whoever builds the system writes there.
const DIRECTORIES: [&str; 9] = [
    "/lib",
    "/lib64",
    "/lib32",
    "/libx32",
    "/usr/lib",
    "/usr/lib64",
    "/usr/lib32",
    "/libexec",
    "/usr/libexec",
];

/// Whether the path is that of a loader which a system for this processor has.
pub(super) fn is_known(path: &str, arch: Option<&Arch>) -> bool {
    let Some((directory, name)) = path.rsplit_once('/') else {
        return false;
    };
    let names = LOADERS
        .iter()
        .find(|(known, _)| arch.is_some_and(|Arch(arch)| arch == known));
    DIRECTORIES.contains(&directory) && names.is_some_and(|(_, names)| names.contains(&name))
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
