// Package chacha20 has the import path of a package that computes cryptography
// without a FIPS module. It computes nothing of use, and needs no network.
package chacha20

// Rotate is a function that is linked where it is called.
//
//go:noinline
func Rotate(word uint32) uint32 {
	return word<<7 | word>>25
}
