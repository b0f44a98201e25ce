package main

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// pasted puts bytes into a segment of their own that may be run, at the end of
// a 64-bit little-endian program: the header of a note makes room. They are
// loaded behind the program, or before it.
func pasted(content []byte, before bool) func([]byte) ([]byte, error) {
	return func(file []byte) ([]byte, error) {
		const load, note, header, page = 1, 4, 56, 0x1000
		le := binary.LittleEndian
		if len(file) < 64 || file[4] != 2 || file[5] != 1 {
			return nil, errors.New("not ELF 64 LSB")
		}
		at, count := le.Uint64(file[0x20:]), int(le.Uint16(file[0x38:]))
		table := file[at : at+uint64(count)*header]
		spare, first, last, top := -1, -1, -1, uint64(0)
		for i := range count {
			entry := table[i*header:]
			switch le.Uint32(entry) {
			case load:
				if first < 0 {
					first = i
				}
				last = i
				top = max(top, le.Uint64(entry[16:])+le.Uint64(entry[40:]))
			case note:
				spare = i
			}
		}
		if spare < 0 || last < 0 {
			return nil, errors.New("no note in it")
		}
		file = append(file, make([]byte, -len(file)&(page-1))...)
		// Far above what the program asks for while it runs, or below where
		// linkers begin.
		address, neighbour := (top+1<<30)&^(page-1), last
		if before {
			address, neighbour = 0x100000, first
		}
		segment := codeSegment(uint64(len(file)), address, uint64(len(content)))
		// Loaded segments stand in the order of their addresses.
		kept := bytes.Clone(table)
		var entries []byte
		for i := range count {
			if i == neighbour && before {
				entries = append(entries, segment...)
			}
			if i != spare {
				entries = append(entries, kept[i*header:(i+1)*header]...)
			}
			if i == neighbour && !before {
				entries = append(entries, segment...)
			}
		}
		copy(file[at:], entries)
		return append(file, content...), nil
	}
}

// codeSegment is the header of what may be run.
func codeSegment(offset, address, size uint64) []byte {
	var header []byte
	for _, word := range []uint32{1, 5} {
		header = binary.LittleEndian.AppendUint32(header, word)
	}
	for _, word := range []uint64{offset, address, address, size, size, 0x1000} {
		header = binary.LittleEndian.AppendUint64(header, word)
	}
	return header
}

// secondModules are programs with two modules, of which one is damaged.
func (b *builder) secondModules(chain *toolchain, arch string, known boringModule) []patch {
	whole, err := moduleBytes(chain, arch)
	if err != nil {
		b.fail("second-module", err)
		return nil
	}
	damaged := bytes.Clone(whole)
	damaged[known.size/2] ^= 1
	first := flip(func(file []byte) (int, error) {
		found, err := known.find(file)
		return (found.start + found.end) / 2, err
	})
	patches := []patch{
		{"second-damaged", pasted(damaged, false), is(groupForged, holdsBroken, "its own BoringCrypto is whole; a damaged copy pasted behind it", "contradicted")},
		{"second-whole", inTurn(first, pasted(whole, false)), is(groupForged, holdsBroken, "one bit of its own BoringCrypto changed; a whole copy pasted behind it", "contradicted")},
	}
	// Below other programs there is no room.
	if arch == "amd64" {
		patches = append(patches, patch{"first-whole", inTurn(first, pasted(whole, true)),
			is(groupForged, holdsBroken, "one bit of its own BoringCrypto changed; a whole copy pasted before it", "contradicted")})
	}
	return patches
}

// foreignCode is a program that nobody wrote for the module in its code: it ends
// at once.
func (b *builder) foreignCode(chain *toolchain) {
	module, err := moduleBytes(chain, "amd64")
	if err != nil {
		b.fail("forged-module-in-code", err)
		return
	}
	// mov eax, 60; xor edi, edi; syscall
	exit := append([]byte{0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05}, make([]byte, 64)...)
	r := realRow("", "exit", "amd64", "")
	r.file, r.version, r.variant = "other-"+chain.version+"-module-in-code", chain.version, "forged"
	is(groupForged, holdsNo, "BoringCrypto pasted into the code of a program that never calls it", "contradicted", "standard", "declared", "identified")(&r)
	b.written(r, bareELF(append(exit, module...)))
}
