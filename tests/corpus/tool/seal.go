package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// resealed is a changed module whose stored hash was computed again: its key is
// public. Only the fingerprint tells.
func resealed(known boringModule) patch {
	return patch{"resealed", func(file []byte) ([]byte, error) {
		found, err := known.find(file)
		if err != nil {
			return nil, err
		}
		file[(found.start+found.end)/2] ^= 1
		mac := hmac.New(known.hash, make([]byte, 64))
		mac.Write(file[found.start:found.end])
		copy(file[found.stored:], mac.Sum(nil))
		return file, nil
	}, is(groupForged, holdsBroken, "one bit of BoringCrypto "+known.name+" changed and its hash computed again", "contradicted", "declared")}
}

// A span is the addresses that a range of .go.fipsinfo covers.
type span struct{ start, end uint64 }

// goSeal is a changed Go module that was sealed again over other ranges: its
// key is zeros. Only for programs that are not position-independent, which have
// the addresses in place.
func goSeal(linked map[string]uint64, cover func(changed uint64, at int, old span) span) func([]byte) ([]byte, error) {
	return func(file []byte) ([]byte, error) {
		changed := (linked["go:textfipsstart"] + linked["go:textfipsend"]) / 2
		place, err := offset(file, changed)
		if err != nil {
			return nil, err
		}
		file[place] ^= 1
		info, err := offset(file, linked["go:fipsinfo"])
		if err != nil {
			return nil, err
		}
		mac := hmac.New(sha256.New, make([]byte, 32))
		mac.Write([]byte("go fips object v1\n"))
		// Magic, sum, the address of itself, then start and end of each range.
		const ranges = 16 + 32 + 8
		for i, name := range coveredSections {
			fresh := cover(changed, i, span{linked["go:"+name+"fipsstart"], linked["go:"+name+"fipsend"]})
			pair := file[info+ranges+16*i:]
			binary.LittleEndian.PutUint64(pair, fresh.start)
			binary.LittleEndian.PutUint64(pair[8:], fresh.end)
			if err := sealRange(mac, file, fresh); err != nil {
				return nil, err
			}
		}
		copy(file[info+16:], mac.Sum(nil))
		return file, nil
	}
}

func sealRange(mac interface{ Write([]byte) (int, error) }, file []byte, covered span) error {
	length := covered.end - covered.start
	if _, err := mac.Write(binary.BigEndian.AppendUint64(nil, length)); err != nil || length == 0 {
		return err
	}
	at, err := offset(file, covered.start)
	if err == nil {
		_, err = mac.Write(file[at : at+int(length)])
	}
	return err
}

// sealedAgain covers what it should: nothing in the file tells it from a build
// with another compiler.
func sealedAgain(linked map[string]uint64) patch {
	same := func(_ uint64, _ int, old span) span { return old }
	return patch{"resealed", goSeal(linked, same), is(groupForged, holdsBroken,
		"one bit of Go's module changed and its sum computed again, which nothing in the file can tell", "contradicted", "declared", "identified", "proven")}
}

// narrowSeal ends before the changed byte.
func narrowSeal(linked map[string]uint64) patch {
	before := func(changed uint64, at int, old span) span {
		if at == 0 {
			old.end = changed
		}
		return old
	}
	return patch{"narrow-seal", goSeal(linked, before), is(groupForged, holdsBroken,
		"one bit of Go's module changed, its seal made to end before it", "contradicted", "declared", "identified")}
}

// emptySeal covers nothing.
func emptySeal(linked map[string]uint64) patch {
	nothing := func(_ uint64, _ int, old span) span { return span{old.start, old.start} }
	return patch{"empty-seal", goSeal(linked, nothing), is(groupForged, holdsBroken,
		"one bit of Go's module changed, its seal made to cover nothing", "contradicted", "declared")}
}
