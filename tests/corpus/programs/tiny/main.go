// Links no cryptography, whatever its build settings say.
package main

import "fmt"

func main() {
	fmt.Println("no cryptography")
}
