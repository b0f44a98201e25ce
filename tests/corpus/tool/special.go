package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const defaultVariable = "-X=runtime.godebugDefault="

// linkWithout runs a tool of Go. Of the linker it takes away what the go
// command says and the rules of Bazel do not: the build settings and the
// GODEBUG that the program begins with. A GODEBUG that was given by hand
// stays.
func linkWithout(args []string) error {
	if len(args) == 0 {
		return errors.New("link-without TOOL ARGUMENT...")
	}
	tool, args := args[0], slices.Clone(args[1:])
	if filepath.Base(tool) == "link" && !slices.Contains(args, "-V=full") {
		if at := slices.IndexFunc(args, func(arg string) bool { return strings.HasPrefix(arg, defaultVariable) }); at >= 0 {
			args = slices.Delete(args, at, at+1)
		}
		at := slices.Index(args, "-importcfg")
		if at < 0 || at+1 == len(args) {
			return errors.New("link without -importcfg")
		}
		text, err := os.ReadFile(args[at+1])
		if err != nil {
			return err
		}
		var kept [][]byte
		for _, line := range bytes.Split(text, []byte("\n")) {
			if !bytes.HasPrefix(line, []byte("modinfo ")) {
				kept = append(kept, line)
			}
		}
		args[at+1] += ".without"
		if err := os.WriteFile(args[at+1], bytes.Join(kept, []byte("\n")), 0o644); err != nil {
			return err
		}
	}
	command := exec.Command(tool, args...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	return command.Run()
}

// switches are builds of the validated module that differ in what switches it
// on, and in words of other toolchains, which Go takes and does not act on.
func (b *builder) switches(chain *toolchain) {
	validated := is(groupFrozen, holdsYes, "built from the validated module, with tags that only other toolchains know", "proven")
	b.special(chain, frozen, "hash", "tags-microsoft", unchanged, validated, "-tags=requirefips", "-ldflags=-s -w")
	b.special(chain, frozen, "hash", "tags-redhat", unchanged, validated, "-tags=strictfipsruntime,no_openssl", "-ldflags=-s -w")
	b.special(chain, frozen, "hash", "godebug-auto", unchanged,
		is(groupPending, holdsOff, "built from the validated module; its own //go:debug has a value at which the program ends", "identified"), "-tags=auto", "-ldflags=-s -w")
	b.special(chain, frozen, "hash", "godebug-twice", unchanged,
		is(groupPending, holdsOff, "built from the validated module; -X turns it off, and another variable has the text that turns it on", "contradicted", "identified"),
		"-ldflags=-s -w "+defaultVariable+"fips140=off -X=main.note=fips140=on")
	b.special(chain, frozen, "hash", "godebug-only", unchanged,
		is(groupFrozen, holdsYes, "built from the validated module; -X makes it refuse what is not approved", "proven"), "-ldflags=-s -w "+defaultVariable+"fips140=only")
	for _, arch := range []string{"amd64", "arm64"} {
		l := link{chain: chain, config: frozen, program: "hash", arch: arch}
		off := is(groupPending, holdsOff, "built from the validated module; -X takes its GODEBUG away, and another variable has the text that turns it on", "identified")
		flags := "-ldflags=-s -w " + defaultVariable + "panicnil=1 -X=main.note=fips140=on"
		b.specialLink(l, "godebug-elsewhere", unchanged, off, flags)
		b.specialLink(l, "pie-godebug-elsewhere", unchanged, off, flags, "-buildmode=pie")
	}
	b.specialLink(link{chain: chain, config: frozen, program: "hash", arch: "arm64"}, "godebug-only", unchanged,
		is(groupFrozen, holdsYes, "built from the validated module; -X makes it refuse what is not approved", "proven"), "-ldflags=-s -w "+defaultVariable+"fips140=only")
	b.special(chain, frozen, "other", "other", unchanged,
		is(groupFrozen, holdsYes, "built from the validated module, beside a package of other cryptography", "proven"), "-ldflags=-s -w")
	self, err := os.Executable()
	if err != nil {
		b.fail("link-without", err)
		return
	}
	without := "-toolexec=" + self + " link-without"
	b.special(chain, frozen, "hash", "bazel", unchanged,
		is(groupPending, holdsOff, "the validated module, linked as the rules of Bazel do: nothing turns it on", "identified"), without, "-ldflags=-s -w")
	b.special(chain, frozen, "hash", "bazel-on", unchanged,
		is(groupPending, holdsYes, "the validated module, linked as the rules of Bazel do; -X turns it on", "identified", "proven"), without, "-ldflags=-s -w "+defaultVariable+"fips140=on")
}

// slowSwitches compile the standard library anew.
func (b *builder) slowSwitches(chain *toolchain) {
	b.special(chain, frozen1, "hash", "asan", unchanged,
		is(groupPending, holdsOff, "the validated module, which refuses to start with the address sanitizer", "identified"), "-asan")
}
