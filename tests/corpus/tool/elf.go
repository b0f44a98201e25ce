package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
)

// symbols are the addresses that the linker gave, from a link that kept them.
func symbols(path string) (map[string]uint64, error) {
	file, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	all, err := file.Symbols()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	addresses := map[string]uint64{}
	for _, symbol := range all {
		addresses[symbol.Name] = symbol.Value
	}
	return addresses, nil
}

// offset is where an address lies in the bytes of a file.
func offset(file []byte, address uint64) (int, error) {
	parsed, err := elf.NewFile(bytes.NewReader(file))
	if err != nil {
		return 0, err
	}
	for _, segment := range parsed.Progs {
		if segment.Type == elf.PT_LOAD && address >= segment.Vaddr && address < segment.Vaddr+segment.Filesz {
			return int(segment.Off + address - segment.Vaddr), nil
		}
	}
	return 0, fmt.Errorf("no byte of the file at %#x", address)
}

// otherInterpreter makes an interpreter of the first note of a 64-bit
// little-endian ELF file: a program that the kernel starts in its place.
func otherInterpreter(file []byte) ([]byte, error) {
	const path = "/nonexistent/loader\x00"
	le := binary.LittleEndian
	at, size, count := int(le.Uint64(file[0x20:])), int(le.Uint16(file[0x36:])), int(le.Uint16(file[0x38:]))
	for number := range count {
		header := file[at+number*size:]
		if elf.ProgType(le.Uint32(header)) != elf.PT_NOTE {
			continue
		}
		le.PutUint32(header, uint32(elf.PT_INTERP))
		le.PutUint64(header[0x08:], uint64(len(file)))
		le.PutUint64(header[0x20:], uint64(len(path)))
		le.PutUint64(header[0x28:], uint64(len(path)))
		return append(file, path...), nil
	}
	return nil, errors.New("no note")
}

func section(file []byte, name string) ([]byte, error) {
	parsed, err := elf.NewFile(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	found := parsed.Section(name)
	if found == nil {
		return nil, fmt.Errorf("no section %s", name)
	}
	return file[found.Offset : found.Offset+found.Size], nil
}

// A settingsBlock holds what the go command writes into a program: the version and
// the settings, of which the second stands between two marks of 16 bytes.
type settingsBlock struct{ version, settings string }

// rewriteBuildinfo changes it in place. What is written must not be longer
// than what was there.
func rewriteBuildinfo(file []byte, change func(*settingsBlock)) ([]byte, error) {
	blob, err := section(file, ".go.buildinfo")
	if err != nil {
		return nil, err
	}
	const header = 32
	if len(blob) < header || blob[15]&2 == 0 {
		return nil, errors.New("no inline buildinfo")
	}
	version, rest, err := pascal(blob[header:])
	if err != nil {
		return nil, err
	}
	settings, _, err := pascal(rest)
	if err != nil || len(settings) < 33 {
		return nil, errors.New("no settings in the buildinfo")
	}
	info := settingsBlock{version, settings[16 : len(settings)-16]}
	change(&info)
	framed := settings[:16] + info.settings + settings[len(settings)-16:]
	fresh := binary.AppendUvarint(nil, uint64(len(info.version)))
	fresh = append(fresh, info.version...)
	fresh = binary.AppendUvarint(fresh, uint64(len(framed)))
	fresh = append(fresh, framed...)
	if len(fresh) > len(blob)-header {
		return nil, fmt.Errorf("%d bytes do not fit into %d", len(fresh), len(blob)-header)
	}
	clear(blob[header:])
	copy(blob[header:], fresh)
	return file, nil
}

func pascal(data []byte) (string, []byte, error) {
	length, used := binary.Uvarint(data)
	if used <= 0 || length > uint64(len(data)-used) {
		return "", nil, errors.New("a length that does not fit")
	}
	end := used + int(length)
	return string(data[used:end]), data[end:], nil
}
