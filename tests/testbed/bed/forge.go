package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

const (
	buildInfoMagic  = "\xff Go buildinf:"
	buildInfoHeader = 32
	buildInfoFrame  = 16 // on each side of the module text
)

// Lines of a build info that a forger can do without.
var lesser = regexp.MustCompile(`^(dep\t|build\t(-|CGO_[A-Z]+FLAGS=))`)

// forgeBuildInfo makes a plain Go program say that it is a BoringCrypto build.
// It stays as long as it was: less important lines give way.
func forgeBuildInfo(program []byte) ([]byte, error) {
	at, version, mod, size, err := findBuildInfo(program)
	if err != nil {
		return nil, err
	}
	frame, text := mod[:buildInfoFrame], string(mod[buildInfoFrame:len(mod)-buildInfoFrame])
	text = strings.Replace(text, "build\tCGO_ENABLED=0\n", "build\tCGO_ENABLED=1\n", 1)
	text = strings.Replace(text, "build\tCGO_ENABLED=", "build\tGOEXPERIMENT=boringcrypto\nbuild\tCGO_ENABLED=", 1)
	version = append(version, "-X:boringcrypto"...)
	encode := func() []byte {
		out := binary.AppendUvarint(nil, uint64(len(version)))
		out = append(out, version...)
		out = binary.AppendUvarint(out, uint64(len(text)+2*buildInfoFrame))
		out = append(append(out, frame...), text...)
		return append(out, mod[len(mod)-buildInfoFrame:]...)
	}
	for _, line := range strings.SplitAfter(text, "\n") {
		if len(encode()) <= size {
			break
		}
		if lesser.MatchString(line) {
			text = strings.Replace(text, line, "", 1)
		}
	}
	forged := encode()
	if len(forged) > size {
		return nil, errors.New("no room for a forged build info")
	}
	out := bytes.Clone(program)
	copy(out[at:at+size], append(forged, make([]byte, size-len(forged))...))
	return out, nil
}

// findBuildInfo returns where the strings of the build info stand, both of
// them, and how many bytes they take.
func findBuildInfo(program []byte) (at int, version, mod []byte, size int, err error) {
	for from := 0; ; {
		found := bytes.Index(program[from:], []byte(buildInfoMagic))
		if found < 0 {
			return 0, nil, nil, 0, errors.New("no build info in the program")
		}
		start := from + found
		from = start + 1
		at = start + buildInfoHeader
		if start%16 != 0 || at > len(program) {
			continue
		}
		rest := program[at:]
		if version, rest, err = lengthPrefixed(rest); err != nil || !bytes.HasPrefix(version, []byte("go1.")) {
			continue
		}
		if mod, rest, err = lengthPrefixed(rest); err != nil || len(mod) < 2*buildInfoFrame {
			continue
		}
		return at, bytes.Clone(version), mod, len(program) - at - len(rest), nil
	}
}

func lengthPrefixed(data []byte) (text, rest []byte, err error) {
	length, n := binary.Uvarint(data)
	if n <= 0 || length > uint64(len(data)-n) {
		return nil, nil, errors.New("not a string with its length before it")
	}
	return data[n : n+int(length)], data[n+int(length):], nil
}

// The integrity values of the BoringCrypto module in Go 1.24 to 1.27, amd64 and
// arm64. Each stands right behind the bytes that it is of.
var moduleSums = []string{
	"2a218ae635bf1cd56624875de07c6571cde7367369f1d865cb9898158edf8b81",
	"9094627e2bd03d962ba1d0c4420a1da9e1ae55caef8ede7b68028d7a4a71f161",
}

// flipModuleByte changes one bit in the middle of the module.
func flipModuleByte(program []byte) ([]byte, error) {
	const intoModule = 200_000 // of 540,000 bytes and more
	for _, sum := range moduleSums {
		value, err := hex.DecodeString(sum)
		if err != nil {
			return nil, err
		}
		if at := bytes.Index(program, value); at > intoModule {
			out := bytes.Clone(program)
			out[at-intoModule] ^= 0x01
			return out, nil
		}
	}
	return nil, fmt.Errorf("no BoringCrypto module that is known: another compiler? (forge.go)")
}
