package main

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Strings that only a build with BoringSSL's FIPS module holds.
const markers = "\x00FIPS integrity test\x00BoringCrypto Key\x00FIPS self test\x00AES-CBC-encrypt KAT\x00BoringCrypto\x00FIPS module doesn't span expected symbol\x00"

// The code of crypto/internal/boring/sig.BoringCrypto: a jump over 29 bytes.
var indicator, _ = hex.DecodeString("eb1df448f44bf4b332f52813a3b450d441cc2485f001454e92101b1d2f1950c3")

// label edits the version and the settings. Lines that nobody misses make room.
func label(version func(string) string, settings ...string) func([]byte) ([]byte, error) {
	return func(file []byte) ([]byte, error) {
		return rewriteBuildinfo(file, func(info *settingsBlock) {
			info.version = version(info.version)
			kept := info.settings
			for _, spare := range []string{"build\t-compiler=gc\n", "build\t-buildmode=exe\n", "build\t-trimpath=true\n", "build\tGOAMD64=v1\n", "mod\tcorpus\t(devel)\t\n"} {
				kept = strings.Replace(kept, spare, "", 1)
			}
			kept = regexp.MustCompile(`build\tDefaultGODEBUG=.*\n`).ReplaceAllString(kept, "")
			for _, setting := range settings {
				key, _, _ := strings.Cut(setting, "=")
				kept = regexp.MustCompile(`build\t`+key+`=.*\n`).ReplaceAllString(kept, "")
				kept += "build\t" + setting + "\n"
			}
			info.settings = kept
		})
	}
}

func same(version string) string { return version }

// saysBoring is the label of a boringcrypto build in the form of its toolchain.
func saysBoring(chain *toolchain) func(string) string {
	return func(version string) string {
		if chain.minor < 26 {
			return version + " X:boringcrypto"
		}
		return version + "-X:boringcrypto"
	}
}

var unfrozen = regexp.MustCompile(`crypto/internal/fips140/[a-z][a-z0-9]+[./][^\x00]{8,}\x00`)

// frozenNames renames functions of the ordinary module in pclntab, as far as
// the longer names fit: the first, or all of them.
func frozenNames(all bool) func([]byte) ([]byte, error) {
	return func(file []byte) ([]byte, error) {
		done := 0
		fresh := unfrozen.ReplaceAllFunc(file, func(name []byte) []byte {
			const from, to = "crypto/internal/fips140/", "crypto/internal/fips140/" + validatedGoModule + "/"
			long := to + strings.TrimPrefix(string(name), from)
			if done > 0 && !all || len(name) < len(to)+4 {
				return name
			}
			done++
			return append([]byte(long[:len(name)-1]), 0)
		})
		if done == 0 {
			return nil, os.ErrNotExist
		}
		return fresh, nil
	}
}

// planted puts the indicator at the end of the code, where nothing calls it.
func planted(file []byte) ([]byte, error) {
	text, err := section(file, ".text")
	if err != nil {
		return nil, err
	}
	// Addresses and offsets of .text agree modulo 16.
	copy(text[(len(text)-64)&^15:], indicator)
	return file, nil
}

func forgedLabels(chain *toolchain) []patch {
	none := func(why string, expect ...string) func(*row) { return is(groupForged, holdsNo, why, expect...) }
	patches := []patch{
		{"forged-version", label(saysBoring(chain)), none("an ordinary build; version string edited", "contradicted")},
		{"forged-goexperiment", label(same, "GOEXPERIMENT=boringcrypto", "CGO_ENABLED=1"), none("an ordinary build; keys edited", "contradicted")},
		{"forged-boring-label", label(saysBoring(chain), "GOEXPERIMENT=boringcrypto", "CGO_ENABLED=1"), none("an ordinary build; version and keys edited", "contradicted")},
		{"forged-gofips140", label(same, "GOFIPS140="+validatedGoModule, "DefaultGODEBUG=fips140=on"), none("an ordinary build; keys edited", "contradicted")},
		{"forged-indicator", planted, none("an ordinary build; the code of sig.BoringCrypto planted", "contradicted", "standard")},
		{"forged-markers", appended([]byte(markers)), none("an ordinary build; marker strings appended", "standard", "contradicted", "declared")},
	}
	if chain.minor < 24 {
		return patches
	}
	return append(patches, []patch{
		{"forged-gofips140-latest", label(same, "GOFIPS140=latest", "DefaultGODEBUG=fips140=on"),
			none("an ordinary build; keys edited, though its default GODEBUG does not have fips140=on", "contradicted", "declared")},
		{"forged-path", frozenNames(false), none("an ordinary build; one name in pclntab edited", "contradicted", "standard")},
		{"forged-path-and-key", inTurn(frozenNames(false), label(same, "GOFIPS140="+validatedGoModule, "DefaultGODEBUG=fips140=on")),
			none("an ordinary build; one name in pclntab and the keys edited", "contradicted")},
		{"forged-paths-and-key", inTurn(frozenNames(true), label(same, "GOFIPS140="+validatedGoModule, "DefaultGODEBUG=fips140=on")),
			none("an ordinary build; every name in pclntab that has room, and the keys, edited", "contradicted")},
	}...)
}

// forged makes the forgeries from the ordinary build of one program.
func (b *builder) forged(chain *toolchain) {
	base := link{chain: chain, config: std0, program: "hash", arch: "amd64"}.stripped()
	for _, p := range forgedLabels(chain) {
		b.patched(base, p)
	}
	b.foreignCode(chain)
	if module, err := moduleBytes(chain, "amd64"); err != nil {
		b.fail("forged-module", err)
	} else {
		b.patched(base, patch{"forged-module", appended(module), is(groupForged, holdsNo,
			"an ordinary build; BoringCrypto's bytes appended, not loaded and not linked", "standard", "contradicted", "declared")})
		b.patched(base, patch{"forged-module-and-label", inTurn(label(saysBoring(chain), "GOEXPERIMENT=boringcrypto", "CGO_ENABLED=1"), appended(module)),
			is(groupForged, holdsNo, "an ordinary build; BoringCrypto's bytes appended, label edited", "contradicted", "declared")})
		b.patched(base, patch{"forged-module-in-code-and-label", inTurn(label(saysBoring(chain), "GOEXPERIMENT=boringcrypto", "CGO_ENABLED=1"), pasted(module, false)),
			is(groupForged, holdsNo, "an ordinary build; BoringCrypto pasted as code that nothing calls, label edited", "contradicted", "declared", "identified")})
	}
	validated := link{chain: chain, config: frozen, program: "hash", arch: "amd64"}.stripped()
	if !b.seen[validated.file] {
		return
	}
	b.patched(validated, patch{"forged-interpreter", otherInterpreter,
		is(groupForged, holdsHidden, "built from the validated module; its headers name another program as its loader, which runs in its place", "unknown")})
	b.patched(validated, patch{"forged-other-key", label(same, "GOFIPS140=v1.26.0"),
		is(groupForged, holdsBroken, "built from the validated module; key edited to another one", "contradicted")})
}

// forgedBuilds are forgeries that need builds of their own.
func (b *builder) forgedBuilds(chain *toolchain) {
	b.special(chain, std1, "tls", "forged-names", replaced([]byte("sig.StandardCrypto\x00"), []byte("sig.BoringCrypto\x00\x00\x00")), is(groupForged, holdsNo, "an ordinary build; sig.StandardCrypto in pclntab edited to sig.BoringCrypto", "contradicted", "standard"), "-ldflags=-s -w")
	b.special(chain, std0, "hash", "forged-linker-version", unchanged,
		is(groupForged, holdsNo, "an ordinary build; version string set by -X", "contradicted"), "-ldflags=-s -w -X runtime.buildVersion="+saysBoring(chain)(chain.version))
	b.special(chain, std0, "stub", "forged-envoy-version", unchanged,
		is(groupForged, holdsNo, "an ordinary Go build that prints BoringSSL-FIPS", "standard", "contradicted"), "-ldflags=-s -w")
	b.special(chain, v126, "hash", "forged-validated-key", label(same, "GOFIPS140="+validatedGoModule),
		is(groupForged, holdsBroken, "built from a module without a certificate; key edited to the one that has it", "contradicted"), "-ldflags=-s -w")
	b.special(chain, frozen, "hash", "godebug-off", unchanged,
		is(groupForged, holdsOff, "built from the validated module; its own //go:debug turns it off", "contradicted", "identified", "declared", "standard"), "-tags=off", "-ldflags=-s -w")
	b.special(chain, std0, "hash", "godebug-on", unchanged,
		is(groupForged, holdsNo, "an ordinary build with //go:debug fips140=on: neither key nor frozen path", "standard", "contradicted", "declared"), "-tags=on", "-ldflags=-s -w")
	b.carriers(chain)
}

// special is one build with flags of its own, perhaps changed afterwards.
func (b *builder) special(chain *toolchain, c config, program, variant string, change func([]byte) ([]byte, error), truth func(*row), flags ...string) {
	b.specialLink(link{chain: chain, config: c, program: program, arch: "amd64"}, variant, change, truth, flags...)
}

// specialLink is the same for the architecture of the link.
func (b *builder) specialLink(l link, variant string, change func([]byte) ([]byte, error), truth func(*row), flags ...string) {
	chain, c, program := l.chain, l.config, l.program
	r := c.truth(chain, l.arch, program)
	r.variant, r.file = variant, l.name(variant)
	truth(&r)
	if reason := l.refused(); reason != "" {
		b.refuse(r.file, reason)
		return
	}
	build := l.build()
	build.args = append(append([]string{"-trimpath", "-buildvcs=false"}, flags...), "./"+program)
	// The go command believes the build ID: a file that was changed would not
	// be linked again.
	output := filepath.Join(b.cache, "link", r.file)
	err := build.run(filepath.Join(b.source, "programs"), b.cache, output)
	if err == nil {
		err = edit(output, filepath.Join(b.dir, r.file), 0o755, change)
	}
	if err != nil {
		b.fail(r.file, err)
		return
	}
	b.add(r)
}

// moduleBytes is BoringCrypto with its stored hash, out of the toolchain's
// object file.
func moduleBytes(chain *toolchain, arch string) ([]byte, error) {
	path, _ := chain.syso(arch)
	object, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	known, err := chain.boringModule(arch)
	if err != nil {
		return nil, err
	}
	found, err := known.find(object)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(object[found.start : found.stored+64]), nil
}
