package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// A patch is a change of one file's bytes, and what is true afterwards.
type patch struct {
	name   string
	change func([]byte) ([]byte, error)
	truth  func(*row)
}

// patched adds a changed copy of a file of the corpus.
func (b *builder) patched(from row, p patch) {
	made := from
	made.variant = from.variant + "-" + p.name
	made.file = from.file + "-" + p.name
	p.truth(&made)
	source := filepath.Join(b.dir, from.file)
	if err := edit(source, filepath.Join(b.dir, made.file), 0o755, p.change); err != nil {
		b.fail(made.file, err)
		return
	}
	b.add(made)
}

// is sets what a tampered file holds.
func is(group, holds, why string, expect ...string) func(*row) {
	return func(r *row) {
		r.group, r.holds, r.expect, r.why = group, holds, expect, why
		if expect[0] != "proven" {
			r.fipsonly = "-"
		}
		if !slices.Contains(expect, "proven") {
			r.certificate = "-"
		}
	}
}

func flip(at func([]byte) (int, error)) func([]byte) ([]byte, error) {
	return func(file []byte) ([]byte, error) {
		place, err := at(file)
		if err != nil {
			return nil, err
		}
		if place < 0 || place >= len(file) {
			return nil, fmt.Errorf("no byte at %d", place)
		}
		file[place] ^= 1
		return file, nil
	}
}

// moduleFlips are one byte in several places of a BoringCrypto module.
func moduleFlips(known boringModule) []patch {
	places := map[string]func(moduleRange) int{
		"first":  func(m moduleRange) int { return m.start },
		"middle": func(m moduleRange) int { return (m.start + m.end) / 2 },
		"last":   func(m moduleRange) int { return m.end - 1 },
		"stored": func(m moduleRange) int { return m.stored },
	}
	var patches []patch
	for _, name := range []string{"first", "middle", "last", "stored"} {
		patches = append(patches, patch{"flip-" + name, flip(func(file []byte) (int, error) {
			found, err := known.find(file)
			return places[name](found), err
		}), is(groupFlipped, holdsBroken, "one bit of BoringCrypto "+known.name+" changed: "+name, "contradicted")})
	}
	return patches
}

// The symbols of the Go linker around what .go.fipsinfo covers.
var coveredSections = []string{"text", "rodata", "noptrdata", "data"}

// coveredFlips are one byte in each of the ranges that .go.fipsinfo covers, and
// in its own sum.
func coveredFlips(linked map[string]uint64, holds string, expect ...string) []patch {
	at := func(name string, address uint64) patch {
		return patch{"flip-" + name, flip(func(file []byte) (int, error) { return offset(file, address) }),
			is(groupFlipped, holds, "one bit changed that .go.fipsinfo covers: "+name, expect...)}
	}
	var patches []patch
	for _, name := range coveredSections {
		start, end := linked["go:"+name+"fipsstart"], linked["go:"+name+"fipsend"]
		if start == 0 || end <= start {
			continue
		}
		patches = append(patches, at(name+"-first", start))
		if end-start > 2 {
			patches = append(patches, at(name+"-middle", (start+end)/2), at(name+"-last", end-1))
		}
	}
	return append(patches, at("sum", linked["go:fipsinfo"]+16))
}

// outside is a byte of the program's own code: no module is touched.
func outside(linked map[string]uint64) patch {
	return patch{"flip-outside", flip(func(file []byte) (int, error) { return offset(file, linked["main.main"]) }),
		func(r *row) { r.why += "; one bit of main.main changed, which no module covers" }}
}

// flipped makes the flipped copies of one stripped link.
func (b *builder) flipped(l link, stripped row) {
	base := l.truth()
	named := filepath.Join(b.dir, base.file)
	if !b.seen[base.file] {
		named = filepath.Join(b.cache, "link", base.file)
	}
	linked, err := symbols(named)
	if err != nil {
		b.fail(named, err)
		return
	}
	var patches []patch
	switch base.group {
	case groupBoring:
		known, err := l.chain.boringModule(l.arch)
		if err != nil {
			b.fail(base.file, err)
			return
		}
		patches = append(moduleFlips(known), outside(linked), resealed(known))
		if l.mode.name == "" {
			patches = append(patches, b.secondModules(l.chain, l.arch, known)...)
		}
		if l.chain.minor >= 24 {
			patches = append(patches, coveredFlips(linked, holdsBroken, "contradicted")[1])
		}
	case groupStandard:
		if l.chain.minor < 24 {
			return
		}
		patches = coveredFlips(linked, holdsNo, "contradicted", "standard")[:2]
	default:
		patches = append(coveredFlips(linked, holdsBroken, "contradicted"), outside(linked))
		// A position-independent program has the addresses in its relocations.
		if l.arch == "amd64" && l.mode.name == "" {
			patches = append(patches, sealedAgain(linked), narrowSeal(linked), emptySeal(linked))
		}
	}
	for _, p := range patches {
		b.patched(stripped, p)
	}
}

// copied adds a file as it is.
func (b *builder) copied(from string, r row) {
	if err := place(from, filepath.Join(b.dir, r.file)); err != nil {
		b.fail(r.file, err)
		return
	}
	b.add(r)
}

// written adds a file that nobody linked.
func (b *builder) written(r row, content []byte) {
	if err := os.WriteFile(filepath.Join(b.dir, r.file), content, 0o755); err != nil {
		b.fail(r.file, err)
		return
	}
	b.add(r)
}

// place links a file into the corpus, or copies it where that cannot be.
func place(from, to string) error {
	if err := os.Remove(to); err != nil && !os.IsNotExist(err) {
		return err
	}
	from, err := filepath.EvalSymlinks(from)
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o444 == 0o444 && os.Link(from, to) == nil {
		return nil
	}
	return edit(from, to, 0o755, unchanged)
}

// replaced puts bytes of the same length in the place of others, everywhere.
func replaced(old, fresh []byte) func([]byte) ([]byte, error) {
	return func(file []byte) ([]byte, error) {
		if len(old) != len(fresh) {
			return nil, errors.New("another length")
		}
		if !bytes.Contains(file, old) {
			return nil, fmt.Errorf("no %q in it", old)
		}
		return bytes.ReplaceAll(file, old, fresh), nil
	}
}

func appended(tail []byte) func([]byte) ([]byte, error) {
	return func(file []byte) ([]byte, error) { return append(file, tail...), nil }
}

func unchanged(file []byte) ([]byte, error) { return file, nil }

// inTurn makes several changes.
func inTurn(changes ...func([]byte) ([]byte, error)) func([]byte) ([]byte, error) {
	return func(file []byte) ([]byte, error) {
		var err error
		for _, change := range changes {
			if file, err = change(file); err != nil {
				return nil, err
			}
		}
		return file, nil
	}
}
