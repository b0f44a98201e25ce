// A TLS client, as every part of a mesh has one.
package main

import (
	"crypto/tls"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Println("usage: tls HOST:PORT")
		return
	}
	connection, err := tls.Dial("tcp", os.Args[1], &tls.Config{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(tls.CipherSuiteName(connection.ConnectionState().CipherSuite))
}
