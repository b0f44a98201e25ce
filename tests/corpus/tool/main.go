// Command corpus builds the programs that glooistio's verdicts are judged by,
// writes down what each holds, and judges. The script scripts/corpus builds
// and calls it; README.md tells what is in the corpus.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

func main() {
	if err := dispatch(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(1)
	}
}

func dispatch(args []string) error {
	if len(args) < 1 {
		return errors.New("no command")
	}
	switch args[0] {
	case "fetch":
		return fetch(os.Getenv("GLOOISTIO_CORPUS_CACHE"), os.Getenv("GLOOISTIO_CORPUS_SOURCE"))
	case "small":
		if len(args) != 2 {
			return errors.New("small DIR")
		}
		return build(args[1], false, time.Time{})
	case "full":
		if len(args) != 3 {
			return errors.New("full DIR MINUTES")
		}
		minutes, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return build(args[1], true, time.Now().Add(time.Duration(minutes)*time.Minute))
	case "link-without":
		return linkWithout(args[1:])
	case "confirm":
		if len(args) != 2 {
			return errors.New("confirm DIR")
		}
		return confirm(args[1])
	case "mutate":
		if len(args) != 4 {
			return errors.New("mutate DIR PROGRAM NUMBER")
		}
		each, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		return mutate(args[1], args[2], each)
	case "judge":
		if len(args) != 3 {
			return errors.New("judge DIR PROGRAM")
		}
		return judge(args[1], args[2])
	}
	return fmt.Errorf("no command %q", args[0])
}

func build(dir string, full bool, until time.Time) error {
	begun := time.Now()
	cache, source := os.Getenv("GLOOISTIO_CORPUS_CACHE"), os.Getenv("GLOOISTIO_CORPUS_SOURCE")
	b, err := newBuilder(dir, cache, source)
	if err != nil {
		return err
	}
	installed, err := installedToolchain()
	if err != nil {
		return err
	}
	b.resume, b.until = full, until
	if full {
		b.full(installed)
	} else {
		b.run(smallPlan(installed))
		b.tamper(installed)
		b.libraries()
		b.switches(installed)
	}
	if err := b.write(); err != nil {
		return err
	}
	say("%d files in %s, %d builds refused, %.0f s: see truth.tsv and refused.tsv", len(b.rows), dir, len(b.refusals), time.Since(begun).Seconds())
	if b.unexpected > 0 {
		return fmt.Errorf("%d builds failed that should not", b.unexpected)
	}
	return nil
}

// Of the package golang-1.19-go: the oldest that has BoringCrypto in its main line.
const debianToolchain = "/usr/lib/go-1.19"

func (b *builder) full(installed *toolchain) {
	chains := []*toolchain{installed}
	roots, _ := filepath.Glob(filepath.Join(b.cache, "toolchains", "*", "go"))
	for _, root := range append(roots, debianToolchain) {
		chain, err := newToolchain(root)
		if err != nil {
			b.refuse(root, "no toolchain here: "+lastLine(err.Error(), err))
			continue
		}
		chains = append(chains, chain)
	}
	b.run(keepAll(smallPlan(installed)))
	b.tamper(installed)
	b.forgedBuilds(installed)
	for _, chain := range chains {
		b.switches(chain)
	}
	b.slowSwitches(installed)
	b.real(installed)
	b.libraries()
	for _, chain := range chains {
		b.native(chain)
	}
	b.run(fullPlan(installed, chains))
	for _, arch := range otherArches {
		l := link{chain: installed, config: frozen, program: "hash", arch: arch}
		if plain := l.truth(); b.seen[plain.file] {
			b.flipped(l, plain)
		}
	}
	for _, chain := range chains {
		if chain != installed {
			b.tamper(chain)
		}
	}
}

// tamper makes the flipped and forged copies of one toolchain's builds.
func (b *builder) tamper(chain *toolchain) {
	for _, c := range []config{frozen, boring, std0} {
		for _, l := range []link{
			{chain: chain, config: c, program: "hash", arch: "amd64"},
			{chain: chain, config: c, program: "hash", arch: "amd64", mode: modePie},
			{chain: chain, config: c, program: "hash", arch: "arm64"},
		} {
			if stripped := l.stripped(); b.seen[stripped.file] {
				b.flipped(l, stripped)
			}
		}
	}
	b.forged(chain)
}
