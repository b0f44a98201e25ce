package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// A builder fills one directory.
type builder struct {
	dir, cache, source string
	rows               []row
	refusals           [][]string
	unexpected         int
	resume             bool      // what an earlier run left is as good as built again
	until              time.Time // nothing new is linked later
	seen               map[string]bool
}

var refusedColumns = []string{"build", "reason"}

func newBuilder(dir, cache, source string) (*builder, error) {
	for _, made := range []string{dir, cache} {
		if err := os.MkdirAll(made, 0o755); err != nil {
			return nil, err
		}
	}
	return &builder{dir: dir, cache: cache, source: source, seen: map[string]bool{}}, nil
}

func (b *builder) add(r row) {
	b.rows = append(b.rows, r)
	b.seen[r.file] = true
}

func (b *builder) refuse(what, reason string) {
	b.refusals = append(b.refusals, []string{what, reason})
}

// fail is a refusal that nobody foresaw: the corpus is not what it should be.
func (b *builder) fail(what string, err error) {
	say("%s: %v", what, err)
	b.unexpected++
	b.refuse(what, "UNEXPECTED: "+lastLine(err.Error(), err))
}

func (b *builder) run(jobs []job) {
	begun, said := time.Now(), time.Now()
	for n, j := range jobs {
		b.job(j)
		if time.Since(said) > 10*time.Second {
			said = time.Now()
			say("%4.0f s: %d of %d links", time.Since(begun).Seconds(), n+1, len(jobs))
			if err := b.write(); err != nil {
				say("%v", err)
			}
		}
	}
}

func (b *builder) write() error {
	if err := writeTruth(b.dir, b.rows); err != nil {
		return err
	}
	return writeTable(filepath.Join(b.dir, "refused.tsv"), refusedColumns, b.refusals)
}

func (b *builder) job(j job) {
	name := j.name(j.variant())
	if b.seen[name] {
		return
	}
	if reason := j.refused(); reason != "" {
		b.refuse(name, reason)
		return
	}
	work := filepath.Join(b.cache, "link")
	if j.keep {
		work = b.dir
	}
	if err := os.MkdirAll(work, 0o755); err != nil {
		b.fail(name, err)
		return
	}
	output := j.path(work, j.variant())
	if b.late(output) {
		b.refuse(name, noTime)
		return
	}
	if err := b.once(output, func(to string) error { return j.build().run(filepath.Join(b.source, "programs"), b.cache, to) }); err != nil {
		b.failLink(j, name, err)
		return
	}
	r := j.truth()
	if j.keep {
		b.add(r)
	}
	b.derive(j, r, output)
}

const noTime = "no time was left for it"

// late says whether a file is neither there nor to be made any more.
func (b *builder) late(path string) bool {
	_, err := os.Stat(path)
	return err != nil && !b.until.IsZero() && time.Now().After(b.until)
}

// once makes a file under another name, so that it is there whole or not at all.
func (b *builder) once(path string, make func(string) error) error {
	if _, err := os.Stat(path); err == nil && b.resume {
		return nil
	}
	temp := path + ".part"
	if err := make(temp); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// failLink tells what the linker cannot do from what should have worked.
func (b *builder) failLink(j job, name string, err error) {
	for _, odd := range oddModes {
		if j.mode.name == odd.name {
			b.refuse(name, err.Error())
			return
		}
	}
	b.fail(name, err)
}

func (b *builder) derive(j job, r row, from string) {
	prefix := ""
	if j.mode.name != "" {
		prefix = j.mode.name + "-"
	}
	for _, variant := range j.derived {
		made := r
		made.variant = prefix + variant
		made.file = j.name(made.variant)
		to := filepath.Join(b.dir, made.file)
		if err := b.once(to, func(temp string) error { return derive(variant, j.arch, from, temp) }); err != nil {
			b.fail(made.file, err)
			continue
		}
		if variant == "strip" {
			from = to
		}
		b.add(made.changed(variant))
	}
}

// changed is the truth after a variant took something away.
func (r row) changed(variant string) row {
	switch variant {
	case "nobuildinfo":
		return r.withoutBuildinfo()
	case "onlydebug":
		r.group, r.holds, r.expect, r.certificate, r.fipsonly = groupOther, holdsHidden, []string{"unknown"}, "-", "-"
		r.why += "; only what a debugger needs is left, no code"
	case "noelf":
		// It cannot run: whatever is said, it must not be a verdict against a
		// module that is there, or for one that is not.
		r.why += "; the ELF header is gone"
		switch r.group {
		case groupStandard, groupNoCrypto:
			r.expect = []string{"standard", "unknown"}
		case groupCgoTrap:
			r.expect = []string{"contradicted", "unknown", "standard"}
		default:
			r.expect = append(r.expect, "identified", "declared", "unknown")
		}
		r.certificate, r.fipsonly = "-", "-"
		r.group = groupOther
	}
	return r
}

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
