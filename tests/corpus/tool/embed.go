package main

import (
	"os"
	"path/filepath"
)

const carrierSource = `package main

import (
	"crypto/sha256"
	_ "embed"
	"fmt"
)

//go:embed data.bin
var data []byte

func main() { fmt.Printf("%x\n", sha256.Sum256(data)) }
`

// carriers have BoringCrypto's bytes among its data, as a scanner might: nothing
// can run them; or a whole program.
func (b *builder) carriers(chain *toolchain) {
	module, err := moduleBytes(chain, "amd64")
	if err != nil {
		b.fail("carrier", err)
		return
	}
	asData := is(groupForged, holdsNo, "an ordinary build with BoringCrypto's bytes in its read-only data", "contradicted", "standard", "declared")
	module = append(module, markers...)
	b.carrier(chain, std0, "forged-module-as-data", module, chain.version, asData)
	b.carrier(chain, std0, "forged-module-as-data-and-label", module, saysBoring(chain)(chain.version), asData)
	for _, pair := range [][2]config{{std0, frozen}, {std0, boring}, {frozen, std0}, {frozen, boring0}, {boring, std0}} {
		inner, err := os.ReadFile(filepath.Join(b.dir, link{chain: chain, config: pair[1], program: "hash", arch: "amd64", small: true}.truth().file))
		if err != nil {
			b.fail("carrier", err)
			continue
		}
		b.carrier(chain, pair[0], "with-"+pair[1].name, inner, "", func(r *row) { r.why += "; a program of " + pair[1].name + " is among its data" })
	}
}

// carrier is one build with data in it; a version replaces its own.
func (b *builder) carrier(chain *toolchain, c config, variant string, data []byte, version string, truth func(*row)) {
	l := link{chain: chain, config: c, program: "carrier", arch: "amd64"}
	r := c.truth(chain, l.arch, l.program)
	r.variant, r.file = variant, l.name(variant)
	truth(&r)
	dir := filepath.Join(b.cache, "carrier")
	err := os.MkdirAll(dir, 0o755)
	for name, text := range map[string][]byte{"go.mod": []byte("module corpus\n\ngo 1.19\n"), "main.go": []byte(carrierSource), "data.bin": data} {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o644)
		}
	}
	flags := "-ldflags=-s -w"
	if version != "" {
		flags += " -X runtime.buildVersion=" + version
	}
	build := goBuild{chain, append(c.env(chain), "GOOS=linux", "GOARCH=amd64"), []string{"-trimpath", "-buildvcs=false", flags, "."}}
	if err == nil {
		err = build.run(dir, b.cache, filepath.Join(b.dir, r.file))
	}
	if err != nil {
		b.fail(r.file, err)
		return
	}
	b.add(r)
}
