#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets: small files that have everything the readers look for.

usage: seeds.py DIR     makes DIR/program (for the targets that read programs), and DIR/TARGET for each other one
"""

import gzip
import io
import pathlib
import re
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


# Instructions of the target `pods`: fields of messages without their lengths, which a fuzzer would break.
WORDS = re.findall(r'"((?:[^"\\\\]|\\\\.)*)"', re.search(r"const WORDS.*?= \[(.*?)\n\];", (
    pathlib.Path(__file__).parent / "../src/sys/cluster/pods/fuzz.rs").read_text(), re.S)[1])


def message(number, *parts):
    return bytes([number]) + b"".join(parts) + b"\xfe"


def text(number, value):
    if isinstance(value, str):
        if value in WORDS:
            return bytes([0x40 | number, 0x80 + WORDS.index(value)])
        value = value.encode()
    if len(value) < 0x80:
        return bytes([0x40 | number, len(value)]) + value
    raise ValueError(f"{value} is too long")


def often(number, value, times):
    return bytes([0xC0 | number, *text(number, value)[1:], times])


def number(field, value):
    return bytes([0x80 | field, value])


def entry(field, key, value):
    return message(field, text(1, key), text(2, value))


def meta(name, namespace, *parts):
    return message(1, text(1, name), text(3, namespace), *parts)


def container(name, image, *parts, field=2):
    return message(field, text(1, name), text(2, image), *parts)


def status(phase, *parts):
    return message(3, text(1, phase), *parts)


def pods():
    ended = status("Succeeded", message(8, text(1, "istio-proxy"), message(2, message(3, number(1, 0)))))
    running = status("Running", message(2, text(1, "Ready"), text(2, "True")),
                     message(8, text(1, "istio-proxy"), message(2, message(2)), number(4, 1), number(5, 3),
                             text(7, "r/proxyv2@sha256:" + "0a" * 32)))
    restarts = status("Running", *(message(8, text(1, name), number(5, 0xA1)) for name in "abc"))
    owner = message(13, text(1, "ReplicaSet"), text(3, "cart-5"), text(5, "apps/v1"), number(6, 1))
    owned = owner + entry(11, "pod-template-hash", "5")
    proxy = container("istio-proxy", "r/proxyv2:1")
    told = container(
        "istio-proxy", "r/proxyv2:1", text(3, "sh"), text(4, "proxy"), text(4, "sidecar"), text(4, "--discoveryAddress"),
        text(4, "istiod.a.svc:15012"), text(5, "/usr/local/bin"), entry(7, "PROXY_CONFIG", "proxyMetadata: {A: b, C_D: {e: [f]}}"),
        entry(7, "GODEBUG", "fips140=on"), message(7, text(1, "XDS_ADDRESS"), message(3, message(1, text(2, "x")))),
        message(9, text(1, "v"), number(2, 1), text(3, "/etc/istio/proxy"), text(4, "x"), text(6, "$(X)")),
        message(10, message(1, message(1, text(1, "sh")))), message(12, message(1, message(1, text(1, "sh")))),
        text(13, "/etc/istio/config"), message(15, message(1, text(1, "NET_ADMIN")), number(2, 1), text(9, "Unmasked")),
        message(19, text(1, "p"), message(2, message(1, text(1, "m")))), message(21, text(2, "/dev/x")),
        message(22, message(1, message(1, text(1, "sh")))), text(24, "Always"),
    )
    volumes = b"".join(message(1, text(1, "v"), message(2, source)) for source in (
        message(1, text(1, "/")), message(2), message(6, text(1, "s")), message(16, message(1, text(1, "f"))),
        message(19, message(1, text(1, "m"))), message(28, text(1, "csi")),
        message(26, *(message(1, message(kind, message(1, text(1, "p")))) for kind in range(1, 6))),
    ))
    annotations = (entry(12, "sidecar.istio.io/status", '{"revision": "a"}')
                   + entry(12, "proxy.istio.io/config", "discoveryAddress: istiod.b.svc")
                   + entry(12, "inject.istio.io/templates", "gateway"))
    shapes = {
        "plain": [meta("a", "shop"), message(2, proxy), running],
        "owned": [meta("a", "shop", owned), message(2, proxy, text(10, "real")), running],
        "job": [meta("a", "shop"), message(2, proxy), ended],
        "leaving": [meta("a", "shop", message(9, number(1, 0xD0)), number(10, 30)), message(2, proxy), running],
        "restarts": [meta("a", "shop"), message(2, container("discovery", "r/pilot:1", text(4, "discovery")), proxy), restarts],
        "told": [meta("a", "shop", annotations), message(2, volumes, told, number(12, 1), number(27, 1)), running],
        "native": [meta("a", "free", entry(11, "istio.io/rev", "a")),
                   message(2, container("istio-proxy", "r/app:1", text(24, "Always"), field=20),
                           container("istio-init", "r/proxyv2:1", text(4, "istio-iptables"), field=20),
                           container("app", "r/app:1")), running],
        "debug": [meta("a", "shop"), message(2, proxy, message(34, container("d", "r/proxyv2:1", field=1), text(2, "istio-proxy")))],
        "nodes": [meta("a", "shop"), message(2, *(container(name, image) for name, image in (
            ("install-cni", "r/install-cni:1"), ("istio-proxy", "r/ztunnel:1"), ("agentgateway", "r/app:1"))))],
        "uninjected": [meta("a", "shop"), message(2, container("app", "r/app:1"), text(10, "virtual"))],
        "opted-out": [meta("a", "out", entry(11, "sidecar.istio.io/inject", "true")), message(2, container("app", "r/app:1"))],
        "not-utf-8": [meta(b"a\xff", b"\xc3", entry(12, b"\xed\xa0", b"\x80")), message(2, proxy)],
        "terminal": [meta("\x1b[2J\u202e", "a\nb", owner), message(2, container("istio-proxy", "\U000e0041\u061c"))],
        "many": [meta("a", "shop"), message(2, container("istio-proxy", "r/proxyv2:1", often(4, "--x=y", 200)), message(2, text(1, "b")))],
        "no-message": [b"\xfd\xff\xfd\xff"],
        "wrong-type": [meta("a", "shop"), number(2, 1), text(3, "x")],
    }
    for name, parts in shapes.items():
        yield name, b"\0" + b"".join(parts)
    yield "all", b"\0" + b"\xff".join(b"".join(parts) for parts in shapes.values())
    # A list as a server sends it, the same without its envelope, and one of JSON.
    def field(number, data):
        return varint(number << 3 | 2) + varint(len(data)) + data
    pod = field(1, field(1, b"a") + field(3, b"shop")) + field(2, field(2, field(1, b"istio-proxy") + field(2, b"r/proxyv2:1")))
    wire = field(1, field(3, b"more")) + field(2, pod) + field(2, pod)
    yield "wire", b"\xe0" + wire
    yield "envelope", b"\xf0" + field(2, wire)
    yield "json", b'\xff{"metadata":{},"items":[{"metadata":{"name":"a","namespace":"shop","deletionTimestamp":"2026-01-01T00:00:00Z"},' \
        b'"spec":{"containers":[{"name":"istio-proxy","image":"r/proxyv2:1"}]}},{"metadata":{"name":"b","labels":7}},7]}'


def commands():
    hostile = ("$(touch pwned)", "`x`", "a'b", "''", "\\", "-n", "--kubeconfig=x", "a b;c|d&e>f", "~root", "=ls", "#x", "%1", "!!", "*?[a]",
               "\u202e", "a\nb", "\x1b[2J", "{a,b}", "x=y", "", "cart-5.v1")
    for at in range(8):
        yield f"plain-{at}", bytes([at]) + b"\xff".join([b"shop", b"cart", b"Deployment", b"apps/v1"])
    for at, value in enumerate(hostile):
        yield f"hostile-{at}", bytes([at]) + b"\xff".join([value.encode()] * 2 + [b"Rollout", b"argoproj.io/v1alpha1"])
    for kind, group in (("DaemonSet", "apps/v1"), ("StatefulSet", "apps/v1"), ("Job", "batch/v1"), ("ReplicaSet", "apps/v1")):
        yield kind, b"\2" + f"shop|cart|{kind}|{group}".encode().replace(b"|", b"\xff")
    yield "long", b"\0" + b"y" * 4000


def escapes():
    for at, value in enumerate(("plain", "a\x1b[31mb\nc", "\r\x08\x7f\x9b", "\u202e\u2066\u061c", "\U000e0041\U000e0001", "\u200b\u200d\ufeff\xad",
                                "\u3164\u2800\uffa0", "\ufe0f\U000e0100", "\ue000\U0010fffd", "\u2028\u2029\x85\xa0", "e" + "\u0301" * 5, "x" * 2001,
                                "é" * 2100, " a ", "猫 “ok”")):
        yield f"text-{at}", b"\0" + value.encode()
    def string(value):
        return bytes([100, len(value.encode())]) + value.encode()
    def mapping(*pairs):
        return bytes([201, len(pairs)]) + b"".join(string(key)[1:] + value for key, value in pairs)
    texts = ("x", "no", "1e3", "~", "a: b", "\n- a", "'\"\\", "\u202e", "\U000e0041", "\x85\u2028", "\0", "%", "<<", "---", "# x")
    for at, value in enumerate(texts):
        items = bytes([200, 2]) + string(value) + mapping(("c", string(value)))
        # Keys of a limited length, which a report has too, and of any.
        yield f"report-{at}", b"\x80\x00" + mapping((value, string(value)), ("b", items))
        yield f"document-{at}", b"\x80\xc0" + mapping((value, string(value)), ("b", items))
    yield "long-key", b"\x80\xc0" + bytes([201, 1, 220, 200]) + b"key: \xe2\x80\xae " * 2 + string("x")
    yield "numbers", (b"\x80\x00" + bytes([200, 4, 50, 0]) + b"\xff" * 8 + bytes([50, 1]) + b"\xff" * 8
                      + bytes([50, 2, 1, 2, 3, 0, 0, 0, 0, 0, 33]))


TEMPLATES = {
    "plain": "a: {{params.cluster}}\nb:\n  - {{join params.network \"x\"}}\nc: {{either \"\" hub}}\n",
    "operator": "{{> operator profile=\"ambient\"}}\n  values:\n    global:\n{{> global}}\n",
    "inline": "{{#*inline \"a\"}}{{#*inline \"b\"}}x: {{y}}\n{{/inline}}{{> b y=params.cluster}}{{/inline}}{{> a}}{{> a this}}",
    "recursive": "{{#*inline \"a\"}}{{#if fips}}{{> b}}{{/if}}{{/inline}}{{#*inline \"b\"}}{{> a}}{{/inline}}{{> a}}",
    "again": "{{#*inline \"a\"}}1{{/inline}}{{#*inline \"a\"}}{{> @partial-block}}{{/inline}}{{#> a}}x{{/a}}{{> a}}",
    "each": "{{#each params as |v k|}}{{#each ../can as |w l|}}{{k}}{{@index}}{{@../key}}{{v}}{{w}}{{else}}none{{/each}}{{/each}}",
    "lists": "{{#each [1, [2, {\"a\": 3}], \"x\"] as |v|}}{{#each v}}{{this}}{{@first}}{{@last}}{{/each}}{{len v}}{{/each}}",
    "with": "{{#with params as |p|}}{{p.cluster}}{{#with (lookup p \"network\")}}{{this}}{{../hub}}{{@root.tag}}{{/with}}{{else}}x{{/with}}",
    "if": "{{#if (and fips (not distroless))}}{{~hub~}}{{else if (eq hub \"x\")}}y{{else}}{{{tag}}}{{&name}}{{/if}}{{#unless revision includeZero=true}}z{{/unless}}",
    "compare": "{{gt 1 2}}{{lte (len params) 5}}{{ne hub tag}}{{or fips can}}{{lookup params \"cluster\"}}",
    "raw": "{{{{raw}}}}{{x}}{{{{/raw}}}}\\{{y}}{{! comment }}{{!-- {{a}} --}}{{log hub level=\"error\"}}",
    "computed": "{{> (lookup this \"hub\")}}{{#*inline hub}}{{/inline}}",
    "passed": "{{#*inline \"a\"}}{{#each this}}{{@key}}{{/each}}{{/inline}}{{#each params}}{{> a b=@root c=(join @key @root.hub)}}{{/each}}",
    "grows": "".join(f"{{{{#*inline \"p{n}\"}}}}{{{{> p{n + 1} a=this b=this}}}}{{{{/inline}}}}" for n in range(12)) + "{{#*inline \"p12\"}}{{a}}{{/inline}}{{> p0}}",
    "deep": "{{#if fips}}" * 101 + "{{/if}}" * 101,
    "nested": "{{join " + "(join hub " * 60 + "tag" + ")" * 60 + "}}",
    "loops": "{{#each params}}{{#each @root.params}}" * 8 + "{{/each}}{{/each}}" * 8,
    "decorator": "{{* x}}{{#* y}}z{{/y}}{{>missing}}{{unknown 1}}{{#unknown}}{{/unknown}}",
    "block-expression": "{{#each (either \"\" params)}}{{#if @first}}{{@key}}{{^}}-{{/if}}{{/each}}{{^if fips}}a{{/if}}",
    "odd": "{{ params.[cluster] }}{{this/hub}}{{./tag}}{{../x}}{{@root}}{{params.cluster.[0]}}{{\"hub\"}}{{null}}{{1.5e3}}",
    "empty": "",
}
VALUES = ("a\nhub: evil", "x: y", "- a", "#", "'\"", "{{hub}}")


def templates():
    values = b"\xff".join(value.encode() for value in VALUES)
    for name, value in TEMPLATES.items():
        yield name, b"\0" + value.encode() + b"\xff" + values
    for path in sorted((pathlib.Path(__file__).parent / "../templates").glob("**/*.hbs")):
        yield path.stem, b"\0" + path.read_bytes() + b"\xff" + values
    for kind in range(224, 229):
        yield f"preset-{kind}", bytes([kind]) + values
    for kind in range(6):
        # One block of each kind inside the others, with an expression of each kind behind it.
        inside = bytes([1, 132 + kind]) + bytes([0, 138 - kind]) * 3 + bytes(range(8)) * 2
        yield f"blocks-{kind}", bytes([128]) + inside + values


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root = pathlib.Path(sys.argv[1])
    kinds = {"program": programs, "layer": layers, "pods": pods, "command": commands, "escape": escapes, "template": templates}
    for folder, make in kinds.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name, data in make():
            (root / folder / name).write_bytes(data)


main()
