package main

import (
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
)

// Ways to link a C program.
var nativeModes = []struct {
	name, source string
	compile      []string
}{
	{"pie", "main.c", []string{"gcc"}},
	{"envoy", "envoy.c", []string{"gcc"}},
	{"exec", "main.c", []string{"gcc", "-no-pie", "-fno-pie"}},
	{"static", "main.c", []string{"gcc", "-static"}},
	{"calls-through-table", "main.c", []string{"gcc", "-fPIC", "-fno-plt"}},
	{"lld", "main.c", []string{"clang", "-fuse-ld=lld"}},
}

// native are C programs with the BoringCrypto of a toolchain: what a C++ proxy
// with a validated module looks like.
func (b *builder) native(chain *toolchain) {
	for _, arch := range []string{"amd64", "arm64"} {
		known, err := chain.boringModule(arch)
		if err != nil {
			continue
		}
		for _, m := range nativeModes {
			if arch == "arm64" && m.name == "lld" {
				continue
			}
			compile := slices.Clone(m.compile)
			if arch == "arm64" {
				compile = append([]string{"aarch64-linux-gnu-gcc"}, m.compile[1:]...)
			}
			b.nativeProgram(chain, arch, m.name, append(compile, filepath.Join(b.source, "native", m.source)), known)
		}
	}
}

func (b *builder) nativeProgram(chain *toolchain, arch, mode string, compile []string, known boringModule) {
	r := realRow("", "native", arch, "")
	is(groupNative, holdsYes, "a C program linked with the BoringCrypto "+known.name+" of a Go toolchain", "proven")(&r)
	r.certificate, r.version, r.variant = known.certificate, chain.version, mode
	r.file = chain.version + "-" + arch + "-native-" + mode
	object, _ := chain.syso(arch)
	err := b.once(filepath.Join(b.dir, r.file), func(to string) error {
		args := append(slices.Clone(compile[1:]), "-O2", "-s", "-o", to, object, "-lpthread")
		if text, err := exec.Command(compile[0], args...).CombinedOutput(); err != nil {
			return errors.New(lastLine(string(text), err))
		}
		return nil
	})
	if err != nil {
		b.refuse(r.file, lastLine(err.Error(), err))
		return
	}
	b.add(r)
	if mode == "pie" {
		for _, p := range append(moduleFlips(known), resealed(known)) {
			b.patched(r, p)
		}
	}
}
