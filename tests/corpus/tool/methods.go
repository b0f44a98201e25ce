package main

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// goVersion is `go version -m`, and what its reader concludes: an X:boringcrypto
// or a GOFIPS140 is taken at its word, none of them in a Go program means no.
func goVersion(path string) (string, conclusion) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return "not a Go program", none
	}
	said := []string{info.GoVersion}
	found := strings.Contains(info.GoVersion, "boringcrypto")
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "GOEXPERIMENT" && strings.Contains(setting.Value, "boringcrypto"),
			setting.Key == "GOFIPS140" && setting.Value != "off":
			found = true
			said = append(said, setting.Key+"="+setting.Value)
		}
	}
	if found {
		return strings.Join(said, " "), pass
	}
	return said[0], fail
}

// The rules of rsc.io/goversion, by the symbol table. Its other way, over the
// machine code, needs patterns that end with Go 1.10: it answers for no program
// of the corpus.
var standardNames = regexp.MustCompile(`^crypto/sha1\.\(\*digest\)|^crypto/sha256\.\(\*digest\)|^crypto/rand\.\(\*devReader\)|^crypto/rsa\.encrypt$|^crypto/rsa\.decrypt$|^crypto/internal/boring/sig\.StandardCrypto$`)

func goversionCrypto(path string) (string, conclusion) {
	names, sections, err := namesOf(path)
	if err != nil {
		return "unrecognized executable format", none
	}
	isGo := slices.Contains(sections, ".note.go.buildid")
	release, boring, standard, only := false, false, false, false
	for _, name := range names {
		isGo = isGo || name == "runtime.main" || name == "main.main"
		release = release || name == "runtime.buildVersion"
		boring = boring || strings.Contains(name, "_Cfunc__goboringcrypto_") || name == "crypto/internal/boring/sig.BoringCrypto"
		standard = standard || standardNames.MatchString(name)
		only = only || name == "crypto/internal/boring/sig.FIPSOnly"
	}
	said, c := "its release", none
	switch {
	case !isGo && !release && len(names) == 0:
		return "no symbol section", none
	case !isGo && !release:
		return "not a Go executable", none
	case !release:
		said = "unknown Go version"
	}
	switch {
	case boring && standard:
		said += " (boring AND standard crypto!!!)"
	case boring:
		said, c = said+" (boring crypto)", pass
	case standard:
		said, c = said+" (standard crypto)", fail
	}
	if only {
		said += " +crypto/tls/fipsonly"
	}
	return said, c
}

// namesOf are the symbols and sections of a program.
func namesOf(path string) (names, sections []string, err error) {
	if file, err := elf.Open(path); err == nil {
		defer file.Close()
		for _, section := range file.Sections {
			sections = append(sections, section.Name)
		}
		symbols, _ := file.Symbols()
		for _, symbol := range symbols {
			names = append(names, symbol.Name)
		}
		return names, sections, nil
	}
	if file, err := macho.Open(path); err == nil {
		defer file.Close()
		if file.Symtab != nil {
			for _, symbol := range file.Symtab.Syms {
				names = append(names, symbol.Name)
			}
		}
		return names, nil, nil
	}
	if file, err := pe.Open(path); err == nil {
		defer file.Close()
		for _, symbol := range file.Symbols {
			names = append(names, symbol.Name)
		}
		return names, nil, nil
	}
	return nil, nil, fmt.Errorf("%s: no executable", path)
}

// stringsGrep is `strings FILE | grep -ci fips`, and the conclusion of somebody
// who takes any line for a module.
func stringsGrep(path string) (int, conclusion, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return 0, none, err
	}
	count, start := 0, -1
	for at := 0; at <= len(file); at++ {
		if at < len(file) && (file[at] >= ' ' && file[at] < 0x7f || file[at] == '\t') {
			if start < 0 {
				start = at
			}
			continue
		}
		if start >= 0 && at-start >= 4 && bytes.Contains(bytes.ToLower(file[start:at]), []byte("fips")) {
			count++
		}
		start = -1
	}
	if count > 0 {
		return count, pass, nil
	}
	return 0, fail, nil
}
