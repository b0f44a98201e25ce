//! Archive and disk formats that may contain programs but are not read here: how to recognize and
//! unpack them.

use crate::suggestion::SuggestedCommand;

/// The number of first bytes that are enough to recognize every kind.
pub(super) const START: usize = 33 << 10;

/// A kind of file that contains other files.
struct Kind {
    offset: usize,
    magic: &'static [u8],
    what: &'static str,
    /// The command that unpacks the file `{}` into the directory `DIR`.
    unpack: &'static str,
}

const fn kind(
    offset: usize,
    magic: &'static [u8],
    what: &'static str,
    unpack: &'static str,
) -> Kind {
    Kind {
        offset,
        magic,
        what,
        unpack,
    }
}

const UNZIP: &str = "unzip {} -d DIR";
const BSDTAR: &str = "bsdtar -xf {} -C DIR";
const GUEST: &str = "virt-copy-out -a {} / DIR";

/// The known kinds. The first match counts.
const KINDS: [Kind; 22] = [
    kind(
        0,
        b"!<arch>\ndebian-binary",
        "a Debian package",
        "dpkg-deb -x {} DIR",
    ),
    kind(0, b"!<arch>", "an ar archive", "ar x {} --output DIR"),
    kind(0, b"PK\x03\x04", "a zip archive", UNZIP),
    kind(0, b"PK\x05\x06", "an empty zip archive", UNZIP),
    kind(0, &[0xed, 0xab, 0xee, 0xdb], "an RPM package", BSDTAR),
    kind(0, b"hsqs", "a SquashFS image", "unsquashfs -d DIR {}"),
    kind(0, b"sqsh", "a SquashFS image", "unsquashfs -d DIR {}"),
    kind(0, b"QFI\xfb", "a qcow2 disk", GUEST),
    kind(0, b"KDMV", "a VMDK disk", GUEST),
    kind(0, b"vhdxfile", "a VHDX disk", GUEST),
    kind(0, b"conectix", "a VHD disk", GUEST),
    kind(0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", BSDTAR),
    kind(0, b"Rar!\x1a\x07", "a RAR archive", BSDTAR),
    kind(0, b"xar!", "a xar package", BSDTAR),
    kind(0, b"MSCF", "a cabinet archive", BSDTAR),
    kind(0, b"070701", "a cpio archive", BSDTAR),
    kind(0, b"070702", "a cpio archive", BSDTAR),
    kind(0, b"070707", "a cpio archive", BSDTAR),
    kind(0, &[0xc7, 0x71], "a cpio archive", BSDTAR),
    kind(0x8001, b"CD001", "an ISO 9660 image", BSDTAR),
    kind(
        0x400,
        &[0xe2, 0xe1, 0xf5, 0xe0],
        "an EROFS image",
        "fsck.erofs --extract=DIR {}",
    ),
    kind(0x438, &[0x53, 0xef], "an ext4 file system", "7z x {} -oDIR"),
];

/// The kinds of zip archives, by their file extensions.
const ZIPS: [(&str, &str); 7] = [
    (".whl", "a Python wheel"),
    (".jar", "a Java archive"),
    (".war", "a Java archive"),
    (".ear", "a Java archive"),
    (".apk", "an Android package"),
    (".nupkg", "a NuGet package"),
    (".vsix", "an extension package"),
];

/// Returns the kind of a file, by its first bytes, and how to make it readable; `None` if it is not
/// such an archive.
pub(super) fn name(path: &str, start: &[u8]) -> Option<String> {
    let fits = |kind: &&Kind| {
        let there = start.get(kind.offset..kind.offset + kind.magic.len());
        there == Some(kind.magic)
    };
    let kind = KINDS.iter().find(fits)?;
    let lower = path.to_ascii_lowercase();
    let zip = ZIPS.iter().find(|(end, _)| lower.ends_with(end));
    let zip = zip.filter(|_| kind.unpack == UNZIP).map(|(_, what)| *what);
    let what = zip.unwrap_or(kind.what);
    Some(format!("it is {what}: {}", unpacked_by(kind.unpack, path)))
}

/// Returns advice to unpack a file with a command and to read the result.
pub(super) fn unpacked_by(command: &'static str, path: &str) -> String {
    let read = "`glooistio inspect --all dir:DIR` reads it";
    match SuggestedCommand::new(command, &[path]) {
        Some(command) => format!("unpack it by `{command}`, and then {read}"),
        None => format!("unpack it into a directory, and then {read}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_kind_and_command_with_a_quoted_path() {
        let mut iso = vec![0; 0x8001];
        iso.extend(b"CD001");
        let mut ext = vec![0; 0x438];
        ext.extend([0x53, 0xef]);
        for (path, start, wanted) in [
            (
                "a.deb",
                &b"!<arch>\ndebian-binary   "[..],
                "a Debian package: unpack it by `dpkg-deb -x a.deb DIR`",
            ),
            ("lib.a", b"!<arch>\nx", "an ar archive"),
            (
                "a.whl",
                b"PK\x03\x04",
                "a Python wheel: unpack it by `unzip a.whl -d DIR`",
            ),
            ("A.JAR", b"PK\x03\x04", "a Java archive"),
            (
                "a b.zip",
                b"PK\x03\x04",
                "a zip archive: unpack it by `unzip 'a b.zip' -d DIR`",
            ),
            (
                "a.rpm",
                &[0xed, 0xab, 0xee, 0xdb],
                "an RPM package: unpack it by `bsdtar -xf a.rpm -C DIR`",
            ),
            ("a.squashfs", b"hsqs", "a SquashFS image"),
            ("a.qcow2", b"QFI\xfb", "a qcow2 disk"),
            ("a.iso", &iso, "an ISO 9660 image"),
            ("a.img", &ext, "an ext4 file system"),
        ] {
            let told = name(path, start).unwrap();
            assert!(told.starts_with(&format!("it is {wanted}")), "{told}");
        }
        assert_eq!(name("a", b"\x7fELF"), None);
        assert_eq!(name("a", b""), None);
    }
}
