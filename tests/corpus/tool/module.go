package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"os"
)

// A BoringCrypto module of a certificate, as it is in the object file of a
// toolchain and, unchanged, in every program linked with it.
type boringModule struct {
	name, certificate string
	stored            string // hex, the first 32 bytes of the stored hash
	size              int
	hash              func() hash.Hash
}

// Facts: the object file of the toolchain is looked up in them, never a built
// program.
var boringModules = []boringModule{
	{"fips-20190808", "3678", "18d35ae031f649825a4269d68d2e62583d060a31d359690f97b9c8bf8120cdf7", 733200, sha512.New},
	{"fips-20210429", "4407", "afca814ee73c7cccc71d6ec64432db762b3bd38a9262181122e459a9eff12013", 778896, sha512.New},
	{"fips-20210429", "4407", "9302ea1acc555934fa2f5ba8cd60719d913a2662a887a1b233483285f648f44d", 381040, sha256.New},
	{"fips-20220613", "4735", "2a218ae635bf1cd56624875de07c6571cde7367369f1d865cb9898158edf8b81", 753552, sha256.New},
	{"fips-20220613", "4735", "9094627e2bd03d962ba1d0c4420a1da9e1ae55caef8ede7b68028d7a4a71f161", 544240, sha256.New},
}

// Where a module lies, as offsets in some file.
type moduleRange struct {
	start, end, stored int
}

func (t *toolchain) boringModule(arch string) (boringModule, error) {
	path, _ := t.syso(arch)
	object, err := os.ReadFile(path)
	if err != nil {
		return boringModule{}, err
	}
	for _, known := range boringModules {
		if _, err := known.find(object); err == nil {
			return known, nil
		}
	}
	return boringModule{}, fmt.Errorf("%s: no known BoringCrypto in it", path)
}

// How far behind its module's end the hash of each was found: in the next
// function or constant, always the same.
var gaps = map[string]int{}

// find takes the stored hash for the place and recomputes it over the bytes
// before, so that what is flipped later is known to lie inside the module.
func (m boringModule) find(file []byte) (moduleRange, error) {
	stored, err := hex.DecodeString(m.stored)
	if err != nil {
		return moduleRange{}, err
	}
	at := bytes.Index(file, stored)
	for _, gap := range m.gaps() {
		end := at - gap
		if end < m.size {
			continue
		}
		mac := hmac.New(m.hash, make([]byte, 64))
		mac.Write(file[end-m.size : end])
		if bytes.HasPrefix(mac.Sum(nil), stored) {
			gaps[m.stored] = gap
			return moduleRange{end - m.size, end, at}, nil
		}
	}
	return moduleRange{}, fmt.Errorf("no %s in it", m.name)
}

// gaps are those to try: each costs an HMAC of the module.
func (m boringModule) gaps() []int {
	if gap, found := gaps[m.stored]; found {
		return []int{gap}
	}
	all := make([]int, 4096)
	for i := range all {
		all[i] = i
	}
	return all
}
