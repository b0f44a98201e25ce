// Command standin stands in an image where the real program cannot: there is no
// FIPS build of Envoy to be had, and the real Go programs are built for one
// architecture only. What is real about it is its cryptographic module.
package main

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"runtime"
)

func main() {
	fmt.Printf("%s: a stand-in of the test bed, %s/%s, %s\n", os.Args[0], runtime.GOOS, runtime.GOARCH, runtime.Version())
	// Whoever calls it so gets a TLS client: this is what keeps the module in.
	if len(os.Args) == 3 && os.Args[1] == "dial" {
		conn, err := tls.Dial("tcp", os.Args[2], nil)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		defer conn.Close()
		host, _, _ := net.SplitHostPort(os.Args[2])
		fmt.Printf("%s %x\n", host, sha256.Sum256(conn.ConnectionState().PeerCertificates[0].Raw))
	}
}
