package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// derive makes a variant from one link, without linking again. All but strip
// itself start from the stripped file.
func derive(variant, arch, from, to string) error {
	switch variant {
	case "strip":
		return binutil("strip", arch, "-o", to, from)
	case "nobuildinfo":
		return binutil("objcopy", arch, "--strip-all", "--remove-section=.go.buildinfo", from, to)
	case "onlydebug":
		return binutil("objcopy", arch, "--only-keep-debug", from, to)
	case "sstrip":
		return edit(from, to, 0o755, loadedOnly)
	case "noshdr":
		return edit(from, to, 0o755, zeroSections)
	case "noelf":
		return edit(from, to, 0o755, func(file []byte) ([]byte, error) {
			clear(file[:64])
			return file, nil
		})
	}
	return fmt.Errorf("no variant %q", variant)
}

func binutil(tool, arch string, args ...string) error {
	if arch == "arm64" {
		tool = "aarch64-linux-gnu-" + tool
	}
	if text, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
		return errors.New(lastLine(string(text), err))
	}
	return nil
}

// edit copies a file through a change of its bytes.
func edit(from, to string, mode os.FileMode, change func([]byte) ([]byte, error)) error {
	file, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if file, err = change(file); err != nil {
		return fmt.Errorf("%s: %w", to, err)
	}
	temp := to + ".part"
	if err := os.WriteFile(temp, file, mode); err != nil {
		return err
	}
	if err := os.Chmod(temp, mode); err != nil {
		return err
	}
	return os.Rename(temp, to)
}

// loadedOnly ends a 64-bit little-endian ELF file with its last segment: the
// loader needs no more.
func loadedOnly(file []byte) ([]byte, error) {
	parsed, err := elf.NewFile(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	if file, err = zeroSections(file); err != nil {
		return nil, err
	}
	end := uint64(0)
	for _, segment := range parsed.Progs {
		end = max(end, segment.Off+segment.Filesz)
	}
	return file[:end], nil
}

// zeroSections takes away the section headers of a 64-bit little-endian ELF
// file, and the names in them.
func zeroSections(file []byte) ([]byte, error) {
	if len(file) < 64 || file[4] != 2 || file[5] != 1 {
		return nil, errors.New("not ELF 64 LSB")
	}
	le := binary.LittleEndian
	at, size, count, names := le.Uint64(file[0x28:]), uint64(le.Uint16(file[0x3a:])), uint64(le.Uint16(file[0x3c:])), uint64(le.Uint16(file[0x3e:]))
	if at == 0 || at+size*count > uint64(len(file)) || names >= count {
		return nil, errors.New("no section headers")
	}
	table := file[at+size*names:]
	text := file[le.Uint64(table[0x18:]):]
	clear(text[:le.Uint64(table[0x20:])])
	clear(file[at : at+size*count])
	clear(file[0x28:0x30])
	clear(file[0x3a:0x40])
	return file, nil
}
