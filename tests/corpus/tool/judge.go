package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// What somebody concludes from a method: a FIPS module is in it, is not, or no
// word.
type conclusion string

const (
	pass conclusion = "pass"
	fail conclusion = "fail"
	none conclusion = "none"
)

// An answer is what glooistio says of one file.
type answer struct {
	module, certificate, fipsonly string
	refused                       bool // not acceptable
	other                         bool // cryptography outside of the module is named
	reasons                       []string
}

func (a answer) conclusion() conclusion {
	switch a.module {
	case "proven", "identified":
		// A module that is not switched on is named, and not accepted.
		if a.refused {
			return fail
		}
		return pass
	case "standard", "contradicted":
		return fail
	}
	return none
}

// A judged row holds what each method says of the file.
type judged struct {
	row
	answer      answer
	conclusions []conclusion // in the order of methods
	saying      []string
}

// The methods of the table.
var methods = []string{"`glooistio inspect`", "`go version -m`", "`goversion -crypto`", "`strings \\| grep -i fips`"}

// outcome counts a conclusion: against what the file holds, not against the
// words of a method.
func outcome(c conclusion, holds string) string {
	switch {
	case c == pass && holds == holdsYes, c == fail && holds != holdsYes, c == none && holds == holdsHidden:
		return "right"
	case c == pass:
		return "false pass"
	case c == fail:
		return "false alarm"
	}
	return "no verdict"
}

func judge(dir, program string) error {
	rows, err := readTruth(dir)
	if err != nil {
		return err
	}
	own, err := ownRow(dir, program)
	if err != nil {
		return err
	}
	rows = append(rows, own)
	answers, err := inspect(dir, program, rows)
	if err != nil {
		return err
	}
	var all []judged
	for _, r := range rows {
		j, err := judgeOne(dir, r, answers)
		if err != nil {
			return err
		}
		all = append(all, j)
	}
	if err := writeJudged(dir, all); err != nil {
		return err
	}
	printTable(all)
	return verdict(all)
}

// ownRow is the program that is judged: it holds every text that it looks for.
func ownRow(dir, program string) (row, error) {
	r := realRow("glooistio", "glooistio", "amd64", "the program itself: AWS-LC without its FIPS module, and every mark among its data", "standard", "declared")
	return r, place(program, filepath.Join(dir, r.file))
}

func judgeOne(dir string, r row, answers map[string]answer) (judged, error) {
	path := filepath.Join(dir, r.file)
	own, there := answers[r.file]
	if !there {
		own = answer{module: "no answer"}
	}
	said, auditor := goVersion(path)
	words, goversion := goversionCrypto(path)
	count, grep, err := stringsGrep(path)
	if err != nil {
		return judged{}, err
	}
	c := own.conclusion()
	// A cautious word is right where the truth allows it.
	if c == none && r.holds != holdsYes && slices.Contains(r.expect, own.module) {
		c = fail
	}
	return judged{r, own, []conclusion{c, auditor, goversion, grep}, []string{own.module, said, words, fmt.Sprint(count)}}, nil
}

// inspect asks the program about all files, many at once.
func inspect(dir, program string, rows []row) (map[string]answer, error) {
	answers := map[string]answer{}
	for chunk := range slices.Chunk(rows, 50) {
		args := []string{"inspect", "-o", "json", "--"}
		for _, r := range chunk {
			args = append(args, filepath.Join(dir, r.file))
		}
		command := exec.Command(program, args...)
		var complaint strings.Builder
		command.Stderr = &complaint
		output, err := command.Output()
		var exit *exec.ExitError
		// 79 says that not all of them are acceptable.
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 79) {
			return nil, fmt.Errorf("%s inspect: %w: %s", program, err, lastLine(complaint.String(), err))
		}
		if err := readReport(output, answers); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// readReport is the one place that knows the shape of the report.
func readReport(text []byte, answers map[string]answer) error {
	var report struct {
		Evidence []struct {
			Binary, Module string
			Proof          *struct {
				Path        string
				Certificate *struct{ Number json.Number }
				Fipsonly    *bool
				Reasons     []string
				Other       []struct{} `json:"other_cryptography"`
				Judgement   struct{ Accepted bool }
			}
		}
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return fmt.Errorf("the report is not JSON: %w", err)
	}
	for _, evidence := range report.Evidence {
		name, a := evidence.Binary, answer{module: evidence.Module, certificate: "-", fipsonly: "-"}
		if proof := evidence.Proof; proof != nil {
			name, a.reasons = proof.Path, proof.Reasons
			a.refused, a.other = !proof.Judgement.Accepted, len(proof.Other) > 0
			if proof.Certificate != nil {
				a.certificate = proof.Certificate.Number.String()
			}
			if proof.Fipsonly != nil {
				a.fipsonly = map[bool]string{true: "yes", false: "no"}[*proof.Fipsonly]
			}
		}
		answers[filepath.Base(name)] = a
	}
	return nil
}

// wrong is what is wrong about an answer, "" if nothing is.
func (j judged) wrong() string {
	switch {
	case !slices.Contains(j.expect, j.answer.module):
		return fmt.Sprintf("%s, not %s", j.answer.module, strings.Join(j.expect, " or "))
	case j.answer.module == "proven" && j.certificate != j.answer.certificate:
		return fmt.Sprintf("proven with certificate %s, not %s", j.answer.certificate, j.certificate)
	case j.holds == holdsOff && j.answer.conclusion() == pass:
		return j.answer.module + " and accepted, though its module is off"
	case j.holds == holdsYes && j.answer.refused && j.answer.conclusion() == fail:
		return j.answer.module + " and refused, though its module is on"
	case j.program == "other" && !j.answer.other:
		return "no word of other cryptography"
	case j.program == "hash" && j.answer.other:
		return "other cryptography, of which it has none"
	case j.fipsonly != "-" && j.fipsonly != j.answer.fipsonly:
		return fmt.Sprintf("fipsonly %s, not %s", j.answer.fipsonly, j.fipsonly)
	}
	return ""
}

func writeJudged(dir string, all []judged) error {
	var lines [][]string
	for _, j := range all {
		wrong := j.wrong()
		if wrong == "" {
			wrong = "-"
		}
		line := []string{j.file, j.holds, strings.Join(j.expect, "|")}
		line = append(line, j.saying...)
		lines = append(lines, append(line, wrong, strings.ReplaceAll(strings.Join(j.answer.reasons, "; "), "\t", " ")))
	}
	header := []string{"file", "holds", "expect", "glooistio", "go version -m", "goversion -crypto", "strings", "wrong", "reasons"}
	return writeTable(filepath.Join(dir, "judged.tsv"), header, lines)
}

// printTable is for the documents: Markdown.
func printTable(all []judged) {
	fmt.Printf("| build | files | %s |\n|---|---:|%s\n", strings.Join(methods, " | "), strings.Repeat("---|", len(methods)))
	total := map[string]int{}
	files := 0
	for _, group := range groups {
		counts := map[string]int{}
		n := 0
		for _, j := range all {
			if j.group != group {
				continue
			}
			n++
			for i := range methods {
				key := fmt.Sprint(i, outcome(j.conclusions[i], j.holds))
				counts[key]++
				total[key]++
			}
		}
		files += n
		if n > 0 {
			printLine(group, n, counts)
		}
	}
	printLine("**all**", files, total)
	fmt.Println("\nOf each method: right · false pass · false alarm · no verdict.")
}

func printLine(name string, files int, counts map[string]int) {
	fmt.Printf("| %s | %d |", name, files)
	for i := range methods {
		var cells []string
		for _, word := range []string{"right", "false pass", "false alarm", "no verdict"} {
			cells = append(cells, fmt.Sprint(counts[fmt.Sprint(i, word)]))
		}
		fmt.Printf(" %s |", strings.Join(cells, " · "))
	}
	fmt.Println()
}

// verdict fails if one answer is wrong, or too many say nothing.
func verdict(all []judged) error {
	unknown, readable, wrong := 0, 0, 0
	fmt.Println()
	for _, j := range all {
		if !slices.Contains(j.expect, "unknown") {
			readable++
			if j.answer.module == "unknown" || j.answer.module == "no answer" {
				unknown++
				fmt.Printf("unknown: %s: %s\n", j.file, strings.Join(j.answer.reasons, "; "))
			}
		}
		if why := j.wrong(); why != "" {
			wrong++
			fmt.Printf("wrong: %s: %s (%s)\n", j.file, why, j.why)
		}
	}
	fmt.Printf("%d files, %d wrong, %d of %d readable ones unknown\n", len(all), wrong, unknown, readable)
	if wrong > 0 || unknown*100 > readable {
		return fmt.Errorf("%d wrong answers, %d unknown", wrong, unknown)
	}
	return nil
}
