package main

import (
	"bytes"
	"debug/elf"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestAConclusionIsCountedAgainstWhatTheFileHolds(t *testing.T) {
	for _, c := range []struct {
		said  conclusion
		holds string
		want  string
	}{
		{pass, holdsYes, "right"},
		{pass, holdsNo, "false pass"},
		{pass, holdsBroken, "false pass"},
		{pass, holdsOff, "false pass"},
		{pass, holdsHidden, "false pass"},
		{fail, holdsYes, "false alarm"},
		{fail, holdsNo, "right"},
		{fail, holdsBroken, "right"},
		{none, holdsYes, "no verdict"},
		{none, holdsNo, "no verdict"},
		{none, holdsHidden, "right"},
	} {
		if got := outcome(c.said, c.holds); got != c.want {
			t.Errorf("%s of a file that holds %s: %s, not %s", c.said, c.holds, got, c.want)
		}
	}
}

func TestAnAnswerIsWrongByModuleCertificateOrFipsonly(t *testing.T) {
	truth := row{expect: []string{"proven", "identified"}, certificate: "4735", fipsonly: "yes"}
	for _, c := range []struct {
		answer answer
		wrong  bool
	}{
		{answer{module: "proven", certificate: "4735", fipsonly: "yes"}, false},
		{answer{module: "proven", certificate: "4407", fipsonly: "yes"}, true},
		{answer{module: "proven", certificate: "4735", fipsonly: "no"}, true},
		{answer{module: "identified", certificate: "-", fipsonly: "yes"}, false},
		{answer{module: "standard", certificate: "-", fipsonly: "yes"}, true},
	} {
		if got := (judged{row: truth, answer: c.answer}).wrong(); (got != "") != c.wrong {
			t.Errorf("%+v: %q", c.answer, got)
		}
	}
}

func TestTruthIsReadBackAsItWasWritten(t *testing.T) {
	dir := t.TempDir()
	rows := []row{
		{"b", groupForged, holdsNo, []string{"contradicted", "standard"}, "-", "-", "hash", "go1.26.8", "std", "sw", "amd64", "why"},
		{"a", groupBoring, holdsYes, []string{"proven"}, "4735", "no", "hash", "go1.26.8", "boring", "sw", "amd64", "-"},
	}
	if err := writeTruth(dir, slices.Clone(rows)); err != nil {
		t.Fatal(err)
	}
	got, err := readTruth(dir)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(rows)
	for i := range rows {
		if strings.Join(got[i].fields(), "\t") != strings.Join(rows[i].fields(), "\t") {
			t.Errorf("%v, not %v", got[i], rows[i])
		}
	}
}

// own is the running test, an ordinary Go program.
func own(t *testing.T) []byte {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestZeroedSectionsLeaveTheSegments(t *testing.T) {
	file, err := zeroSections(own(t))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := elf.NewFile(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if len(parsed.Sections) != 0 || len(parsed.Progs) == 0 {
		t.Errorf("%d sections, %d segments", len(parsed.Sections), len(parsed.Progs))
	}
	if bytes.Contains(file, []byte(".gopclntab\x00.")) {
		t.Error("the names of the sections are still there")
	}
}

func TestWhatIsLoadedIsKept(t *testing.T) {
	whole := own(t)
	parsed, err := elf.NewFile(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	file, err := loadedOnly(bytes.Clone(whole))
	if err != nil {
		t.Fatal(err)
	}
	if len(file) >= len(whole) {
		t.Errorf("%d of %d bytes", len(file), len(whole))
	}
	for _, segment := range parsed.Progs {
		if segment.Off+segment.Filesz > uint64(len(file)) {
			t.Errorf("a segment ends at %d of %d", segment.Off+segment.Filesz, len(file))
		}
	}
}

func TestPastedCodeIsASegmentOfItsOwn(t *testing.T) {
	for _, before := range []bool{false, true} {
		file, err := pasted([]byte("pasted"), before)(own(t))
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := elf.NewFile(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		var loaded []uint64
		for _, segment := range parsed.Progs {
			if segment.Type == elf.PT_LOAD {
				loaded = append(loaded, segment.Vaddr)
			}
		}
		if !slices.IsSorted(loaded) {
			t.Errorf("%#x are not in order", loaded)
		}
		address := loaded[len(loaded)-1]
		if before {
			address = loaded[0]
		}
		at, err := offset(file, address)
		if err != nil || string(file[at:]) != "pasted" {
			t.Errorf("%q at %#x: %v", file[at:], address, err)
		}
	}
}

func TestMutantsAreInsideWhereTheySayAndNoneTwice(t *testing.T) {
	file := make([]byte, 20000)
	covered := []moduleRange{{start: 9000, end: 9001}, {start: 12000, end: 13000}}
	chance, names := rand.New(rand.NewPCG(1, 1)), map[string]bool{}
	for number := range 200 {
		m := mutantOf(chance, file, covered, number)
		if names[m.name] {
			t.Errorf("%s twice", m.name)
		}
		names[m.name] = true
		changed, err := m.apply(file)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.IndexFunc(changed, func(r rune) bool { return r != 0 })
		inside := at == 9000 || at >= 12000 && at < 13000
		if cut := len(changed) < len(file); !cut && inside != m.inside || cut && m.inside {
			t.Errorf("%s: byte %d", m.name, at)
		}
	}
}

func TestAForgedLabelIsWhatTheGoCommandReads(t *testing.T) {
	chain := &toolchain{version: "go1.26.8", minor: 26}
	file, err := label(saysBoring(chain), "GOEXPERIMENT=boringcrypto")(own(t))
	if err != nil {
		t.Skip("no room in this program: ", err)
	}
	path := t.TempDir() + "/forged"
	if err := os.WriteFile(path, file, 0o755); err != nil {
		t.Fatal(err)
	}
	said, auditor := goVersion(path)
	if auditor != pass || !strings.Contains(said, "X:boringcrypto") || !strings.Contains(said, "GOEXPERIMENT=boringcrypto") {
		t.Errorf("%s: %s", said, auditor)
	}
}

func TestStringsCountsLinesOfFourAndMore(t *testing.T) {
	path := t.TempDir() + "/file"
	for content, want := range map[string]int{
		"\x00fips\x00":                    1,
		"\x00a FIPS line\nfips again\x00": 2,
		"\x00fip\x00s\x00":                0,
		"ends in fips":                    1,
	} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, _, err := stringsGrep(path); err != nil || got != want {
			t.Errorf("%q: %d (%v), not %d", content, got, err, want)
		}
	}
}

func TestTheReportOfInspectIsRead(t *testing.T) {
	answers := map[string]answer{}
	report := `{"schema":1,"evidence":[
		{"digest":null,"arch":"amd64","binary":"pilot-discovery","module":"proven","proof":{"path":"/tmp/x/a","certificate":{"number":4735},"fipsonly":true,"reasons":["r"]}},
		{"binary":"b","module":"unknown"}]}`
	if err := readReport([]byte(report), answers); err != nil {
		t.Fatal(err)
	}
	if a := answers["a"]; a.module != "proven" || a.certificate != "4735" || a.fipsonly != "yes" || len(a.reasons) != 1 {
		t.Errorf("%+v", a)
	}
	if answers["b"].module != "unknown" {
		t.Errorf("%+v", answers["b"])
	}
}
