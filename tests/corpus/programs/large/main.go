// Many packages: a long symbol table, a large pclntab.
package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"go/types"
	"html/template"
	"image/png"
	"net/http"
	"net/http/httputil"
	"net/rpc"
	"os"
)

func main() {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "none.go", "package none", 0)
	fmt.Println(file, err, types.Universe.Len(), sql.Drivers(), png.DefaultCompression)
	fmt.Println(json.NewEncoder(os.Stdout).Encode(http.DefaultServeMux), template.New("none").Name())
	fmt.Println(httputil.ErrPersistEOF, rpc.ErrShutdown)
	fmt.Println(http.ListenAndServeTLS(":0", "none", "none", nil))
}
