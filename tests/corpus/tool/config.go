package main

import (
	"fmt"
	"slices"
)

// Groups of the summary table, in its order.
const (
	groupStandard  = "standard"
	groupNoCrypto  = "no cryptography linked"
	groupBoring    = "boringcrypto"
	groupFipsonly  = "boringcrypto + fipsonly"
	groupCgoTrap   = "boringcrypto without its module"
	groupNative    = "C with BoringCrypto"
	groupFrozen    = "GOFIPS140, validated"
	groupPending   = "GOFIPS140, not validated"
	groupRealFips  = "real programs, FIPS"
	groupRealPlain = "real programs, not FIPS"
	groupForged    = "forged"
	groupFlipped   = "one byte flipped"
	groupOther     = "other files"
)

var groups = []string{groupStandard, groupNoCrypto, groupBoring, groupFipsonly, groupCgoTrap, groupNative, groupFrozen,
	groupPending, groupRealFips, groupRealPlain, groupForged, groupFlipped, groupOther}

// A config is how a Go program is built, apart from its link.
type config struct {
	name     string
	boring   bool
	cgo      bool
	approved bool   // imports crypto/tls/fipsonly
	gofips   string // value of GOFIPS140
}

var (
	std0       = config{name: "std"}
	std1       = config{name: "std-cgo", cgo: true}
	boring     = config{name: "boring", boring: true, cgo: true}
	fipsonly   = config{name: "boring-fipsonly", boring: true, cgo: true, approved: true}
	boring0    = config{name: "boring-cgo0", boring: true}
	frozen     = config{name: "gofips140-v1.0.0", gofips: "v1.0.0"}
	frozen1    = config{name: "gofips140-v1.0.0-cgo", gofips: "v1.0.0", cgo: true}
	certified  = config{name: "gofips140-certified", gofips: "certified"}
	inprocess  = config{name: "gofips140-inprocess", gofips: "inprocess"}
	v126       = config{name: "gofips140-v1.26.0", gofips: "v1.26.0"}
	latest     = config{name: "gofips140-latest", gofips: "latest"}
	both       = config{name: "gofips140-and-boring", boring: true, cgo: true, gofips: "v1.0.0"}
	allConfigs = []config{std0, boring, fipsonly, boring0, frozen, certified, inprocess, v126, latest, both}
)

// value is the GOFIPS140 of this toolchain for what the config asks: v1.0.0 is
// only a prefix of the module's name.
func (c config) resolve(t *toolchain) string {
	if c.gofips == "v1.0.0" {
		return t.resolve(validatedGoModule)
	}
	return t.resolve(c.gofips)
}

// Facts about modules, by which a build is known to hold a certified one.
const validatedGoModule = "v1.0.0-c2097c7c"
const validatedGoCertificate = "5247"

func (c config) env(t *toolchain) []string {
	env := []string{"CGO_ENABLED=0"}
	if c.cgo {
		env = []string{"CGO_ENABLED=1"}
	}
	if c.boring {
		env = append(env, "GOEXPERIMENT=boringcrypto")
	}
	if c.gofips != "" {
		env = append(env, "GOFIPS140="+c.gofips)
	}
	return env
}

// refused is why a build cannot be, "" if it can.
func (c config) refused(t *toolchain, arch string, cross bool) string {
	switch {
	case c.gofips != "" && t.minor < 24:
		return "GOFIPS140 came with Go 1.24"
	case c.gofips != "" && c.resolve(t) == "":
		return "this toolchain has no module " + c.gofips
	case c.gofips != "" && c.boring:
		return "the go command refuses the two together"
	case c.approved && !c.linksBoring(t, arch):
		return fmt.Sprintf("no BoringCrypto for %s in this toolchain, so nothing to limit", arch)
	case c.cgo && cross && arch != "arm64":
		return "no C compiler for " + arch
	}
	return ""
}

func (c config) linksBoring(t *toolchain, arch string) bool {
	_, there := t.syso(arch)
	return c.boring && c.cgo && there
}

// Architectures and programs for which a link matters.
func linksCrypto(program string) bool { return program != "tiny" }

// truth is what a build holds.
func (c config) truth(t *toolchain, arch, program string) row {
	r := row{program: program, version: t.version, config: c.name, arch: arch, fipsonly: "-", holds: holdsNo}
	module := c.resolve(t)
	switch {
	case !linksCrypto(program):
		r.group, r.expect, r.why = groupNoCrypto, []string{"standard"}, "links no cryptography, whatever its label says"
	case c.linksBoring(t, arch):
		known, err := t.boringModule(arch)
		r.group, r.holds, r.fipsonly = groupBoring, holdsYes, "no"
		if c.approved {
			r.group, r.fipsonly = groupFipsonly, "yes"
		}
		if err != nil {
			r.expect, r.why = []string{"identified"}, "BoringCrypto of a fingerprint not known here"
			break
		}
		r.expect, r.certificate = []string{"proven"}, known.certificate
		r.why = "links the toolchain's BoringCrypto " + known.name
	case c.boring:
		r.group, r.expect = groupCgoTrap, []string{"contradicted"}
		r.why = "says X:boringcrypto; cgo was off, so no BoringCrypto is linked"
		if c.cgo {
			r.why = "says X:boringcrypto; the toolchain has none for " + arch
		}
	case c.gofips != "" && module == validatedGoModule:
		r.group, r.holds, r.expect, r.certificate = groupFrozen, holdsYes, []string{"proven"}, validatedGoCertificate
		r.why = "built from the frozen module " + module
		if arch != "amd64" && arch != "arm64" {
			r.group, r.expect, r.certificate = groupPending, []string{"identified"}, "-"
			r.why += "; whether it is switched on is read from code of amd64 and arm64 only"
		}
	case c.gofips != "":
		r.group, r.holds, r.expect = groupPending, holdsYes, []string{"identified"}
		r.why = "built from module " + module + ", which has no certificate"
	default:
		r.group, r.expect, r.why = groupStandard, []string{"standard"}, "an ordinary build"
	}
	return r
}

// withoutBuildinfo is what can be said of the same program when .go.buildinfo
// is gone.
func (r row) withoutBuildinfo() row {
	switch {
	case r.group == groupCgoTrap:
		r.expect = []string{"contradicted", "standard"}
		r.why += "; the label may be read from the data, or not"
	case r.group == groupFrozen:
		r.expect = []string{"proven", "identified"}
		r.why += "; the frozen path and fipsinfo are still there, the key GOFIPS140 is not"
	case r.group == groupPending && slices.Contains(r.expect, "identified") && r.config == latest.name:
		r.expect = []string{"identified", "declared", "standard"}
		r.why += "; without its key it differs from an ordinary build by its default GODEBUG only"
	}
	return r
}
