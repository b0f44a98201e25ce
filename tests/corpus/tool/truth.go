package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// What a file holds, written down from how it was made.
const (
	holdsYes    = "yes"    // a FIPS module, whole and on
	holdsNo     = "no"     // none
	holdsBroken = "broken" // a FIPS module with a byte that is not its own
	holdsOff    = "off"    // a FIPS module that its own build settings turn off
	holdsHidden = "hidden" // no Linux program that can be read
)

// A row of truth.tsv.
type row struct {
	file, group, holds string
	expect             []string // module statements that are right, the best first
	certificate        string   // number, where proven is expected
	fipsonly           string   // yes, no, or - where it means nothing
	program, version   string
	config, variant    string
	arch, why          string
}

var truthColumns = []string{"file", "group", "holds", "expect", "certificate", "fipsonly", "program", "go", "config", "variant", "arch", "why"}

func (r row) fields() []string {
	fields := []string{r.file, r.group, r.holds, strings.Join(r.expect, "|"), r.certificate, r.fipsonly,
		r.program, r.version, r.config, r.variant, r.arch, r.why}
	for i, field := range fields {
		if field == "" {
			fields[i] = "-"
		}
	}
	return fields
}

func writeTable(path string, header []string, lines [][]string) error {
	var text strings.Builder
	fmt.Fprintln(&text, strings.Join(header, "\t"))
	for _, line := range lines {
		fmt.Fprintln(&text, strings.Join(line, "\t"))
	}
	temp := path + ".part"
	if err := os.WriteFile(temp, []byte(text.String()), 0o644); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

func readTable(path string, header []string) ([][]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var lines [][]string
	scanner := bufio.NewScanner(file)
	for number := 1; scanner.Scan(); number++ {
		fields := strings.Split(scanner.Text(), "\t")
		if len(fields) != len(header) {
			return nil, fmt.Errorf("%s:%d: %d fields, not %d", path, number, len(fields), len(header))
		}
		if number > 1 {
			lines = append(lines, fields)
		}
	}
	return lines, scanner.Err()
}

func writeTruth(dir string, rows []row) error {
	sort.Slice(rows, func(i, j int) bool { return rows[i].file < rows[j].file })
	var lines [][]string
	for _, r := range rows {
		lines = append(lines, r.fields())
	}
	return writeTable(filepath.Join(dir, "truth.tsv"), truthColumns, lines)
}

func readTruth(dir string) ([]row, error) {
	lines, err := readTable(filepath.Join(dir, "truth.tsv"), truthColumns)
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, f := range lines {
		rows = append(rows, row{f[0], f[1], f[2], strings.Split(f[3], "|"), f[4], f[5], f[6], f[7], f[8], f[9], f[10], f[11]})
	}
	return rows, nil
}
