// Links cryptography of the standard library and a package of other
// cryptography.
package main

import (
	"crypto/sha256"
	"fmt"
	"os"

	"golang.org/x/crypto/chacha20"
)

func main() {
	fmt.Printf("%x %x\n", sha256.Sum256([]byte(os.Args[0])), chacha20.Rotate(uint32(len(os.Args))))
}
