package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A mutant is one changed copy of a program.
type mutant struct {
	name   string // says what was done, too
	inside bool   // in what a module covers
}

// mutate flips bits and cuts files at places of chance, the same in every run:
// what a module covers must be contradicted; what none covers must neither end
// the program nor turn against the module.
func mutate(dir, program string, each int) error {
	rows, err := readTruth(dir)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "corpus-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	wrong, total := 0, 0
	for _, r := range rows {
		if r.holds != holdsYes || r.group == groupRealFips || !slices.Contains([]string{"plain", "pie", "ext-static"}, r.variant) {
			continue
		}
		file, err := os.ReadFile(filepath.Join(dir, r.file))
		if err != nil {
			return err
		}
		covered := covers(filepath.Join(dir, r.file), file)
		if len(covered) == 0 {
			continue
		}
		bad, err := mutateOne(temp, program, r, file, covered, each)
		if err != nil {
			return fmt.Errorf("%s: %w", r.file, err)
		}
		wrong += bad
		total += each
	}
	fmt.Printf("%d mutants, %d wrong\n", total, wrong)
	if wrong > 0 {
		return errors.New("a changed module was not seen, or an unchanged one was called so")
	}
	return nil
}

// covers are the bytes of a program that a module of it covers. A boringcrypto
// build of Go 1.24 and later has the seal of Go's own code, too.
func covers(path string, file []byte) []moduleRange {
	var covered []moduleRange
	for _, known := range boringModules {
		if found, err := known.find(file); err == nil {
			covered = append(covered, found, moduleRange{start: found.stored, end: found.stored + len(known.stored)/2})
		}
	}
	linked, err := symbols(path)
	if err != nil || linked["go:fipsinfo"] == 0 {
		return covered
	}
	add := func(address, length uint64) {
		if at, err := offset(file, address); err == nil && length > 0 {
			covered = append(covered, moduleRange{start: at, end: at + int(length)})
		}
	}
	for _, name := range coveredSections {
		start := linked["go:"+name+"fipsstart"]
		add(start, linked["go:"+name+"fipsend"]-start)
	}
	add(linked["go:fipsinfo"]+16, sha256.Size)
	return covered
}

func mutateOne(temp, program string, base row, file []byte, covered []moduleRange, each int) (int, error) {
	chance := rand.New(rand.NewPCG(1, uint64(len(file))))
	counts, wrong := map[string]int{}, 0
	for done := 0; done < each; {
		var mutants []mutant
		for ; len(mutants) < 25 && done < each; done++ {
			m := mutantOf(chance, file, covered, done)
			changed, err := m.apply(file)
			if err == nil {
				err = os.WriteFile(filepath.Join(temp, m.name), changed, 0o755)
			}
			if err != nil {
				return wrong, err
			}
			mutants = append(mutants, m)
		}
		bad, err := ask(temp, program, base, mutants, counts)
		if err != nil {
			return wrong, err
		}
		wrong += bad
	}
	fmt.Printf("%s:", base.file)
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		fmt.Printf(" %s %d", key, counts[key])
	}
	fmt.Println()
	return wrong, nil
}

// mutantOf: half of them inside, a tenth cut off.
func mutantOf(chance *rand.Rand, file []byte, covered []moduleRange, number int) mutant {
	if number%10 == 9 {
		return mutant{name: fmt.Sprintf("cut-%d-0-%d", chance.IntN(len(file)), number)}
	}
	bit := chance.IntN(8)
	if number%2 == 0 {
		// Small ranges as often as large ones.
		part := covered[chance.IntN(len(covered))]
		return mutant{fmt.Sprintf("inside-%d-%d-%d", part.start+chance.IntN(part.end-part.start), bit, number), true}
	}
	for {
		at := chance.IntN(len(file))
		if number%4 == 1 {
			// Headers and what stands first are small.
			at = chance.IntN(8192)
		}
		if !slices.ContainsFunc(covered, func(part moduleRange) bool { return at >= part.start && at < part.end }) {
			return mutant{fmt.Sprintf("outside-%d-%d-%d", at, bit, number), false}
		}
	}
}

func (m mutant) apply(file []byte) ([]byte, error) {
	var at, bit int
	kind, numbers, _ := strings.Cut(m.name, "-")
	if _, err := fmt.Sscanf(numbers, "%d-%d", &at, &bit); err != nil {
		return nil, err
	}
	if kind == "cut" {
		return file[:at], nil
	}
	changed := slices.Clone(file)
	changed[at] ^= 1 << bit
	return changed, nil
}

// ask counts the answers and tells those that are wrong.
func ask(temp, program string, base row, mutants []mutant, counts map[string]int) (int, error) {
	var rows []row
	for _, m := range mutants {
		rows = append(rows, row{file: m.name})
	}
	answers, err := inspect(temp, program, rows)
	if err != nil {
		return 0, err
	}
	wrong := 0
	for _, m := range mutants {
		kind, _, _ := strings.Cut(m.name, "-")
		said := answers[m.name]
		counts[kind+" "+said.module]++
		missed := m.inside && said.module != "contradicted"
		if missed || kind == "outside" && (said.module == "contradicted" || said.module == "") {
			wrong++
			fmt.Printf("wrong: %s %s: %s: %s\n", base.file, m.name, said.module, strings.Join(said.reasons, "; "))
		}
		if err := os.Remove(filepath.Join(temp, m.name)); err != nil {
			return wrong, err
		}
	}
	return wrong, nil
}
