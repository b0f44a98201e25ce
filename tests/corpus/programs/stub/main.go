// Says what a FIPS build of Envoy says, and is none.
package main

import (
	"crypto/sha256"
	"fmt"
)

func main() {
	sum := sha256.Sum256([]byte("envoy"))
	fmt.Printf("\nenvoy  version: %040x/1.40.0/Clean/RELEASE/BoringSSL-FIPS\n\n", sum[:20])
}
