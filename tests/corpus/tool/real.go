package main

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// real adds programs that others built, and what is not a program at all.
func (b *builder) real(chain *toolchain) {
	b.bedPrograms()
	b.packages()
	b.rust()
	b.systemPrograms()
	b.otherFiles(chain)
	for _, name := range []string{"go", "gofmt"} {
		b.copied(filepath.Join(chain.root, "bin", name), realRow(name, name, "amd64", "a released Go program", "standard"))
	}
	if node, err := exec.LookPath("node"); err == nil {
		b.copied(node, realRow("node", "node", "amd64", "a C++ program with OpenSSL in it, without a FIPS provider", "standard"))
	}
	if own, err := os.Executable(); err == nil {
		b.copied(own, realRow("corpus-tool", "corpus", "amd64", "the program that builds the corpus: an ordinary Go build with every mark among its data", "standard", "declared", "contradicted"))
	}
}

func realRow(file, program, arch, why string, expect ...string) row {
	return row{file: "real-" + file, group: groupRealPlain, holds: holdsNo, expect: expect, certificate: "-", fipsonly: "-",
		program: program, version: "-", config: "-", variant: "released", arch: arch, why: why}
}

// bedPrograms are those of the test bed: built there, with the flags of an
// Istio release. The flavor is in the name that the bed gives.
func (b *builder) bedPrograms() {
	cache := filepath.Join(filepath.Dir(b.cache), "testbed", "programs")
	found, _ := filepath.Glob(filepath.Join(cache, "*", "*"))
	for _, path := range found {
		name := filepath.Base(path)
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 || strings.Contains(name, "-1.31.1") {
			continue
		}
		arch := "amd64"
		if strings.Contains(name, "arm64") {
			arch = "arm64"
		}
		r := realRow(name, name, arch, "built by the test bed without FIPS settings", "standard")
		switch {
		case strings.HasSuffix(name, "-fips"):
			r.group, r.holds, r.expect, r.certificate, r.fipsonly = groupRealFips, holdsYes, []string{"proven"}, "4735", "no"
			r.why = "built by the test bed with GOEXPERIMENT=boringcrypto and cgo, Go 1.26"
		case strings.HasSuffix(name, "-fips140"):
			r.group, r.holds, r.expect, r.certificate = groupRealFips, holdsYes, []string{"proven"}, validatedGoCertificate
			r.why = "built by the test bed with GOFIPS140=v1.0.0"
		}
		b.copied(path, r)
		if name == "pilot-discovery-1.31.0-fips" {
			b.patched(r, patch{"flip-middle", flip(func(file []byte) (int, error) {
				found, err := boringModules[3].find(file)
				return (found.start + found.end) / 2, err
			}), is(groupFlipped, holdsBroken, "one bit of BoringCrypto changed", "contradicted")})
		}
	}
	b.envoy(filepath.Join(cache, "envoy-1.40.0", "envoy", "_bin", "envoy"), "envoy-1.40.0", "amd64")
}

// rust are programs of tests/corpus/rust.
func (b *builder) rust() {
	truths := map[string]func(*row){
		"boring-fips": is(groupRealFips, holdsYes, "BoringSSL's FIPS module of the update stream, which has no certificate", "identified"),
		"aws-lc-fips": is(groupRealFips, holdsYes, "AWS-LC's FIPS module, compiled here: not the build of a certificate", "identified", "declared"),
		"aws-lc":      is(groupRealPlain, holdsNo, "AWS-LC without its FIPS module", "standard"),
		"ring":        is(groupRealPlain, holdsNo, "ring, which has no FIPS module", "standard"),
	}
	for _, name := range rustPrograms {
		path := rustProgram(b.cache, name)
		r := realRow("rust-"+name, "rust-"+name, "amd64", "")
		truths[name](&r)
		if _, err := os.Stat(path); err != nil {
			b.refuse(r.file, "not built: "+lastLine(err.Error(), err))
			continue
		}
		b.copied(path, r)
		stripped := r
		stripped.file, stripped.variant = r.file+"-strip", "strip"
		if err := derive("strip", "amd64", path, filepath.Join(b.dir, stripped.file)); err != nil {
			b.fail(stripped.file, err)
			continue
		}
		b.add(stripped)
		if r.holds == holdsYes {
			b.flippedRust(path, stripped)
		}
	}
}

// flippedRust changes a bit of the FIPS module, of which the linker's own
// symbols say where it lies. AWS-LC has kept BoringSSL's names.
func (b *builder) flippedRust(path string, stripped row) {
	linked, err := symbols(path)
	if err != nil {
		b.fail(stripped.file+"-flip", err)
		return
	}
	start, end := linked["BORINGSSL_bcm_text_start"], linked["BORINGSSL_bcm_text_end"]
	if start == 0 || end <= start {
		b.fail(stripped.file+"-flip", errors.New("no symbols around the module"))
		return
	}
	for name, address := range map[string]uint64{"first": start, "middle": (start + end) / 2, "last": end - 1} {
		b.patched(stripped, patch{"flip-" + name, flip(func(file []byte) (int, error) { return offset(file, address) }),
			is(groupFlipped, holdsBroken, "one bit of the FIPS module changed, which is none of the known ones", "declared", "contradicted")})
	}
}

// systemPrograms are of the distribution, as far as they are installed.
func (b *builder) systemPrograms() {
	libraries := "/usr/lib/x86_64-linux-gnu/"
	for path, why := range map[string]string{
		libraries + "libcrypto.so.3":  "OpenSSL as a library, whose FIPS provider would be another file",
		libraries + "libgnutls.so.30": "a C library with self-tests that say FIPS, without a FIPS module",
		libraries + "libgcrypt.so.20": "a C library with self-tests that say FIPS, without a FIPS module",
		"/usr/bin/etcd":               "Debian's Go build, dynamic",
		"/usr/bin/skopeo":             "Debian's Go build",
		"/usr/bin/umoci":              "Debian's Go build",
		"/usr/bin/docker-registry":    "Debian's Go build",
		"/bin/ls":                     "a C program, which links no cryptography",
		"/bin/true":                   "a C program, which links no cryptography",
		"/usr/bin/ssh":                "a C program with OpenSSL in a library",
		"/usr/bin/openssl":            "a C program with OpenSSL in a library",
	} {
		name := filepath.Base(path)
		if _, err := os.Stat(path); err != nil {
			b.refuse("real-debian-"+name, "not installed")
			continue
		}
		r := realRow("debian-"+name, name, "amd64", why, "standard")
		if strings.Contains(why, "OpenSSL") || strings.HasPrefix(path, libraries) {
			// Whether its library has a FIPS provider is not in these bytes.
			r.expect = append(r.expect, "unknown")
		}
		b.copied(path, r)
		if name == "ls" {
			b.patched(r, patch{"forged-markers", appended([]byte(markers)), is(groupForged, holdsNo,
				"a C program without cryptography; marker strings appended", "standard", "contradicted", "declared")})
		}
	}
}

// otherFiles are no Linux programs that could be read.
func (b *builder) otherFiles(chain *toolchain) {
	hidden := func(file, why string, content []byte) {
		r := realRow(file, file, "-", why, "unknown")
		r.file, r.group, r.holds, r.variant = "other-"+file, groupOther, holdsHidden, "-"
		b.written(r, content)
	}
	hidden("empty", "an empty file", nil)
	hidden("text", "plain text that says FIPS", []byte("BoringSSL-FIPS, FIPS 140-3, X:boringcrypto\n"))
	hidden("script", "a shell script that says what a FIPS build of Envoy says",
		[]byte("#!/bin/sh\necho \"envoy  version: 0/1.40.0/Clean/RELEASE/BoringSSL-FIPS\"\n"))
	hidden("random", "random bytes", random(1<<20))
	hidden("elf-magic", "nothing but the magic of ELF", []byte("\x7fELF"))
	hidden("elf-random", "the magic of ELF before random bytes", append([]byte("\x7fELF\x02\x01\x01\x00"), random(1<<16)...))
	hidden("packed-simulated", "an ELF header and a packer's mark before compressed bytes; no packer is installed", packed(random(1<<20)))
	if module, err := os.ReadFile(filepath.Join(b.dir, link{chain: chain, config: boring, program: "hash", arch: "amd64"}.name("sw"))); err == nil {
		hidden("script-with-program", "a shell script with a boringcrypto build behind it, as self-extracting archives are", append([]byte("#!/bin/sh\nexit 0\n"), module...))
	}
	b.gzexe()
	for _, other := range []struct{ os, arch, format string }{{"darwin", "arm64", "Mach-O"}, {"windows", "amd64", "PE"}} {
		for _, c := range []config{std0, frozen} {
			b.foreign(chain, c, other.os, other.arch, other.format)
		}
	}
	for _, cut := range []struct {
		config config
		why    string
		expect []string
	}{
		{std0, "an ordinary build, cut off in the middle", []string{"unknown", "standard"}},
		{boring, "a boringcrypto build, cut off in the middle", []string{"unknown", "declared", "contradicted", "proven", "identified"}},
		{frozen, "a GOFIPS140 build, cut off in the middle", []string{"unknown", "declared", "contradicted"}},
	} {
		from := cut.config.truth(chain, "amd64", "hash")
		from.variant = "sw"
		from.file = link{chain: chain, config: cut.config, program: "hash", arch: "amd64"}.name("sw")
		if b.seen[from.file] {
			b.patched(from, patch{"cut", func(file []byte) ([]byte, error) { return file[:len(file)/2], nil }, is(groupOther, holdsHidden, cut.why, cut.expect...)})
		}
	}
}

// foreign is a build for another system: named, and not judged.
func (b *builder) foreign(chain *toolchain, c config, system, arch, format string) {
	l := link{chain: chain, config: c, program: "hash", arch: arch}
	r := realRow("", "hash", arch, "a build for "+system+": "+format+", which no image of a mesh holds", "unknown")
	r.file, r.group, r.holds, r.version, r.config, r.variant = l.name(system), groupOther, holdsHidden, chain.version, c.name, system
	build := goBuild{chain, append(c.env(chain), "GOOS="+system, "GOARCH="+arch), []string{"-trimpath", "-buildvcs=false", "./hash"}}
	if err := build.run(filepath.Join(b.source, "programs"), b.cache, filepath.Join(b.dir, r.file)); err != nil {
		b.fail(r.file, err)
		return
	}
	b.add(r)
}

// gzexe is the packer that every Debian has: a script with compressed bytes.
func (b *builder) gzexe() {
	name := "other-packed-gzexe"
	tool, err := exec.LookPath("gzexe")
	if err != nil {
		b.refuse(name, "gzexe is not installed")
		return
	}
	path := filepath.Join(b.dir, name)
	if err := edit("/bin/true", path, 0o755, unchanged); err != nil {
		b.fail(name, err)
		return
	}
	if text, err := exec.Command(tool, path).CombinedOutput(); err != nil {
		b.fail(name, errors.New(lastLine(string(text), err)))
		return
	}
	_ = os.Remove(path + "~")
	r := realRow("", "true", "amd64", "packed by gzexe", "unknown")
	r.file, r.group, r.holds, r.variant = name, groupOther, holdsHidden, "packed"
	b.add(r)
}

// random is the same in every run.
func random(size int) []byte {
	var bytes []byte
	sum := sha256.Sum256([]byte("glooistio"))
	for len(bytes) < size {
		sum = sha256.Sum256(sum[:])
		bytes = append(bytes, sum[:]...)
	}
	return bytes[:size]
}

// packed is what UPX leaves of a program: one segment, no sections, a mark.
func packed(content []byte) []byte {
	marked := append([]byte("UPX!"), content...)
	return bareELF(fmt.Appendf(marked, "UPX!%028d", 0))
}

// bareELF is the least of a program: one segment, which begins with its first
// instruction, and no sections.
func bareELF(content []byte) []byte {
	const base, header = 0x400000, 64 + 56
	le := binary.LittleEndian
	file := make([]byte, header, header+len(content))
	copy(file, "\x7fELF\x02\x01\x01")
	le.PutUint16(file[16:], 2)
	le.PutUint16(file[18:], 62)
	le.PutUint32(file[20:], 1)
	le.PutUint64(file[24:], base+header)
	le.PutUint64(file[32:], 64)
	le.PutUint16(file[52:], 64)
	le.PutUint16(file[54:], 56)
	le.PutUint16(file[56:], 1)
	segment := file[64:]
	le.PutUint32(segment, 1)
	le.PutUint32(segment[4:], 5)
	le.PutUint64(segment[16:], base)
	le.PutUint64(segment[24:], base)
	size := uint64(header + len(content))
	le.PutUint64(segment[32:], size)
	le.PutUint64(segment[40:], size)
	le.PutUint64(segment[48:], 0x1000)
	return append(file, content...)
}
