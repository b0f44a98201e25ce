#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets: small files that have everything the readers look for.

usage: seeds.py DIR     makes DIR/program (all targets but layer) and DIR/layer
"""

import gzip
import io
import pathlib
import struct
import sys
import tarfile

AMD64, ARM64, S390, I386, MIPS = 62, 183, 22, 3, 8
LOAD, DYNAMIC, INTERP = 1, 2, 3
READ, WRITE, RUN = 4, 2, 1


class Elf:
    """A program with one segment and one section for each of its parts."""

    def __init__(self, bits, order, machine):
        self.bits, self.order, self.machine = bits, order, machine
        self.parts = []

    def pack(self, form, *values):
        # W is a word.
        return struct.pack(self.order + form.replace("W", "Q" if self.bits == 64 else "I"), *values)

    def words(self, *values):
        return b"".join(self.pack("W", value) for value in values)

    def add(self, name, address, data, flags=READ, kind=None):
        self.parts.append((name, address, data, flags, kind))
        return self

    def program(self, kind, flags, offset, address, size):
        if self.bits == 64:
            return self.pack("IIWWWWWW", kind, flags, offset, address, address, size, size, 1)
        return self.pack("IWWWWWIW", kind, offset, address, address, size, size, flags, 1)

    def section(self, name, kind, flags, address, offset, size):
        return self.pack("IIWWWWIIWW", name, kind, flags, address, offset, size, 0, 0, 1, 0)

    def build(self, sections=True, programs=True):
        head, entry, row = (64, 56, 64) if self.bits == 64 else (52, 32, 40)
        count = sum(2 if part[4] else 1 for part in self.parts)
        body = bytearray(head + entry * count)
        table, rows, names = b"", self.section(0, 0, 0, 0, 0, 0), b"\0"
        for name, address, data, flags, kind in self.parts:
            body += bytes(-len(body) % 16)
            for kind in (LOAD, kind):
                if kind:
                    table += self.program(kind, flags, len(body), address, len(data))
            bits = 2 | (flags & WRITE) >> 1 | (flags & RUN) << 2
            rows += self.section(len(names), 1, bits, address, len(body), len(data))
            names += name.encode() + b"\0"
            body += data
        body[head : head + len(table)] = table
        rows += self.section(0, 3, 0, 0, len(body), len(names))
        body += names
        start = len(body)
        body += rows
        body[:16] = b"\x7fELF" + bytes([self.bits // 32, 1 + (self.order == ">"), 1]) + bytes(9)
        body[16:head] = self.pack(
            "HHIWWWIHHHHHH", 2, self.machine, 1, 0, head if programs else 0, start if sections else 0,
            0, head, entry, count if programs else 0, row,
            len(self.parts) + 2 if sections else 0, len(self.parts) + 1 if sections else 0,
        )
        return bytes(body)


def varint(number):
    out = b""
    while number >= 128:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


MODULES = (
    bytes.fromhex("3077af0c9274080241e1c107e6d618e6")
    + b"path\tistio.io/istio/pilot\nmod\tistio.io/istio\t(devel)\t\ndep\ta.test/b\tv1.0.0\th1:x=\n"
    b"build\t-tags=fips140v1.0\nbuild\tCGO_ENABLED=1\nbuild\t\"a=b\"=`c d`\n"
    b"build\tGOFIPS140=v1.0.0-c2097c7c\nbuild\tDefaultGODEBUG=fips140=on\n"
    + bytes.fromhex("f932433186182072008242104116d8f2")
)


def inline(version):
    texts = (varint(len(text)) + text for text in (version, MODULES))
    return b"\xff Go buildinf:" + bytes([8, 2]) + bytes(16) + b"".join(texts)


# crypto/internal/boring/sig.BoringCrypto on amd64.
SIGNATURE = bytes.fromhex("eb1df448f44bf4b332f52813a3b450d441cc2485f001454e92101b1d2f1950c3")


def pointed(elf, address):
    """Before Go 1.18: pointers to strings, which stand behind it."""
    width = elf.bits // 8
    head = b"\xff Go buildinf:" + bytes([width, elf.order == ">"])
    first = address + 32
    pointers = elf.words(first, first + 2 * width)
    texts = first + 4 * width
    strings = elf.words(texts, 7, texts + 7, len(MODULES))
    return (head + pointers).ljust(32, b"\0") + strings + b"go1.17x" + MODULES


def pclntab(elf, magic):
    names = [
        b"main.main", b"crypto/internal/boring/sig.BoringCrypto", b"crosscall2", b"crypto/tls/fipsonly.init.0",
        b"crypto/internal/fips140/v1.0.0-c2097c7c/aes.New", b"crypto/internal/boring._Cfunc__goboringcrypto_AES",
    ]
    text = b"".join(name + b"\0" for name in names)
    head = elf.pack("I", 0xFFFFFF00 | magic) + bytes([0, 0, 1, elf.bits // 8])
    width, count = elf.bits // 8, len(names)
    if magic == 0xFB:
        functions = 8 + (2 + 2 * count) * width
        at = functions + count * (width + 4)
        out = head + elf.words(count)
        for number in range(count):
            out += elf.words(0x401000 + number, functions + number * (width + 4))
        out += elf.words(0x402000)
        for number, name in enumerate(names):
            out += elf.words(0x401000 + number) + elf.pack("I", at)
            at += len(name) + 1
        return out + text
    words = 7 if magic == 0xFA else 8
    first = 8 + words * width
    end = first + len(text)
    base = [0x401000] if words == 8 else []
    return head + elf.words(count, 1, *base, first, end, end, end, end) + text + bytes([7]) * 8 * count


def fipsinfo(elf, address):
    bounds = [0x401000, 0x401010, 0x401010, 0x401020, 0x401020, 0x401024, 0x401024, 0x401030]
    return b"\xff Go fipsinfo \xff\0" + bytes(range(32)) + elf.words(address, *bounds)


def go(shape, version, magic, boring=True):
    elf = Elf(*shape)
    code = bytes([0x90]) * 64
    if boring:
        code += SIGNATURE
    info = inline(version) if version else pointed(elf, 0x500000)
    elf.add(".text", 0x401000, code, READ | RUN)
    elf.add(".gopclntab", 0x480000, pclntab(elf, magic))
    elf.add(".go.buildinfo", 0x500000, info, READ | WRITE)
    elf.add(".go.fipsinfo", 0x502000, fipsinfo(elf, 0x502000), READ | WRITE)
    return elf


def dynamic(elf):
    """As the loader needs it: an interpreter, libraries, addends that stand in relocations."""
    names = b"\0libcrypto.so.3\0libc.so.6\0"
    addends = elf.words(0x502030, 8, 0x502000, 0x502038, 8, 0x401000)
    entries = (5, 0x710000, 7, 0x720000, 8, len(addends), 1, 1, 1, 16, 0, 0)
    elf.add(".interp", 0x700000, b"/lib64/ld-linux-x86-64.so.2\0", READ, INTERP)
    elf.add(".dynstr", 0x710000, names)
    elf.add(".rela.dyn", 0x720000, addends)
    return elf.add(".dynamic", 0x730000, elf.words(*entries), READ | WRITE, DYNAMIC)


def native(machine, texts):
    """Texts of C and C++, and code that refers to each of them."""
    elf = Elf(64, "<", machine)
    code, data, base = b"", b"\0", 0x480000
    for text in texts:
        here, there = 0x401000 + len(code), base + len(data)
        if machine == AMD64:
            code += bytes.fromhex("488d05") + struct.pack("<i", there - here - 7) + b"\xb8\x17\xd8\x34\x01\xc3"
        else:
            page = (there >> 12) - (here >> 12)
            adrp = 0x90000000 | (page & 3) << 29 | (page >> 2 & 0x7FFFF) << 5
            code += struct.pack("<III", adrp, 0x91000000 | (there & 0xFFF) << 10, 0xD65F03C0)
        data += text + b"\0"
    return elf.add(".text", 0x401000, code, READ | RUN).add(".rodata", base, data)


def short(text):
    """A short string of libc++."""
    return bytes([2 * len(text)]) + text.ljust(23, b"\0")


FIPS = [
    b"FIPS integrity test", b"BoringCrypto", b"BoringCrypto Key", b"FIPS self test failed.", b"AES-CBC KAT",
    b"FIPS module doesn't span expected symbol", b"AWS-LC FIPS 3.0.0", b"AWS-LC FIPS failure caused by:\n",
]
ENVOY = [
    b"9e5580933739775e8bce696a57a2e1bc99368f23\0Clean", b"1.40.0", short(b"RELEASE") + short(b"BoringSSL-FIPS"),
    b"envoy.reloadable_features.x",
]
ZTUNNEL = [b"version.BuildInfo{Version:\"", b"tls-boring", b"ztunnel::proxy", b"OpenSSL 3.0.2 15 Mar 2022", b"UPX!"]


def programs():
    shapes = {
        "amd64": (64, "<", AMD64), "s390x": (64, ">", S390), "386": (32, "<", I386), "mips": (32, ">", MIPS),
        "arm64": (64, "<", ARM64),
    }
    for name, shape in shapes.items():
        for magic in (0xFB, 0xFA, 0xF0, 0xF1):
            yield f"go-{name}-{magic:x}", go(shape, b"go1.26.6-X:boringcrypto", magic).build()
        yield f"go-{name}-pointers", go(shape, None, 0xFB).build()
        yield f"go-{name}-dynamic", dynamic(go(shape, b"go1.27.3", 0xF1, False)).build()
        yield f"go-{name}-no-sections", go(shape, b"go1.14.12b4", 0xF1).build(sections=False)
        yield f"go-{name}-no-segments", go(shape, b"go1.26.6", 0xF1).build(programs=False)
        yield f"go-{name}-no-headers", go(shape, b"go1.26.6", 0xF1).build(False, False)
    wiped = go(shapes["amd64"], b"go1.26.6", 0xF1).build()
    yield "go-wiped", bytes(64) + wiped[64:]
    yield "go-cut", wiped[: len(wiped) // 2]
    for machine in (AMD64, ARM64):
        yield f"boringssl-{machine}", native(machine, FIPS).build()
        yield f"envoy-{machine}", native(machine, FIPS + ENVOY).build()
        yield f"ztunnel-{machine}", dynamic(native(machine, FIPS + ZTUNNEL)).build()
    yield "plain", native(AMD64, [b"hello"]).build()
    yield "script", b"#! /usr/bin/env bash -e\n"
    yield "mach-o", bytes.fromhex("cffaedfe07000001")
    yield "pe", b"MZ\x90\0"
    yield "empty", b""


BINARY = b"\x7fELF\x02\x01\x01" + bytes(9)


def tar(form, *entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, kind, data, *pax in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.pax_headers = pax[0] if pax else {}
            if kind == tarfile.REGTYPE:
                info.size = len(data)
            else:
                info.linkname = data
            archive.addfile(info, io.BytesIO(data) if kind == tarfile.REGTYPE else None)
    # What fills the last record only makes the seed longer.
    return whole(out.getvalue().rstrip(b"\0")) + bytes(1024)


def whole(data):
    return data + bytes(-len(data) % 512)


def sparse():
    """GNU's old form: a program with a hole."""
    info = tarfile.TarInfo("bin/envoy")
    info.type, info.size = tarfile.GNUTYPE_SPARSE, 1024
    head = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    for at, number in ((386, 0), (398, 512), (410, 4096), (422, 512), (483, 8192)):
        head[at : at + 12] = b"%011o\0" % number
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + BINARY.ljust(1024, b"x") + bytes(1024)


def zstd(data):
    """One block, as it is."""
    assert len(data) < 1 << 17
    return bytes.fromhex("28b52ffd0058") + struct.pack("<I", len(data) << 3 | 1)[:3] + data


def layers():
    file, link, hard, folder = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE
    gnu, pax, ustar = tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT
    envoy = ("usr/local/bin/envoy", file, BINARY)
    plain = tar(ustar, ("usr/", folder, ""), envoy, ("./bin", link, "usr/local/bin"))
    long = "/".join(["long"] * 60) + "/envoy"
    upper = {
        "plain": plain,
        "gzip": gzip.compress(plain, mtime=0),
        "gzip-twice": gzip.compress(plain[:512], mtime=0) + gzip.compress(plain[512:], mtime=0),
        "zstd": zstd(plain),
        "whiteouts": tar(ustar, ("usr/local/bin/.wh.envoy", file, b""), ("bin/.wh..wh..opq", file, b""),
                         ("a", file, BINARY)),
        "links": tar(ustar, ("bin/envoy", link, "../a"), ("a", link, "/usr/local/bin/envoy"),
                     ("usr/local/bin/envoy", hard, "b"), ("b", file, BINARY)),
        "cycles": tar(ustar, ("a", link, "bin/envoy"), ("bin/envoy", link, "../a"), ("usr", link, "usr/local")),
        "outside": tar(ustar, ("../../a", file, BINARY), ("/bin/../../bin/envoy", file, BINARY),
                       ("usr/local/bin/envoy", hard, "../../../a")),
        "gnu-long": tar(gnu, (long, file, BINARY), ("bin/envoy", link, long)),
        "pax-long": tar(pax, (long, file, BINARY), ("bin/envoy", link, long)),
        "pax-sparse": tar(pax, ("bin/envoy", file, BINARY, {"GNU.sparse.major": "1", "GNU.sparse.name": "a"})),
        "pax-size": tar(pax, ("a", file, BINARY, {"size": "17", "path": "bin/envoy"})),
        "global": tar(pax, ("pax_global_header", tarfile.XGLTYPE, ""), ("a", file, BINARY)),
        "sparse": sparse(),
        "special": tar(ustar, ("a", tarfile.CHRTYPE, ""), ("bin/envoy", tarfile.FIFOTYPE, "")),
        "bzip2": b"BZh91AY&SY",
        "empty": b"",
    }
    blocks = len(plain) // 512
    for name, data in upper.items():
        yield name, b"\0" + data
        yield f"{name}-over-plain", bytes([blocks]) + plain + data


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root = pathlib.Path(sys.argv[1])
    for folder, seeds in (("program", programs()), ("layer", layers())):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name, data in seeds:
            (root / folder / name).write_bytes(data)


main()
