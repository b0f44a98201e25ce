package main

import (
	"fmt"
	"path/filepath"
	"slices"
)

// A mode is how a program is linked, apart from -s -w.
type mode struct {
	name    string
	flags   []string // of go build
	ldflags string
	cc      string // the C compiler, where it is not the usual one
}

var (
	modePie = mode{name: "pie", flags: []string{"-buildmode=pie"}}
	// Modes of the linker alone.
	linkModes = []mode{
		{name: "ext", ldflags: "-linkmode=external"},
		// As Istio links its releases.
		{name: "ext-static", ldflags: "-linkmode=external -extldflags=-static"},
		{name: "ext-pie", flags: []string{"-buildmode=pie"}, ldflags: "-linkmode=external"},
		{name: "ext-static-pie", flags: []string{"-buildmode=pie"}, ldflags: "-linkmode=external -extldflags=-static-pie"},
		// Relative relocations packed into .relr.dyn.
		{name: "ext-pie-relr", flags: []string{"-buildmode=pie"}, ldflags: "-linkmode=external -extldflags=-Wl,-z,pack-relative-relocs"},
		{name: "ext-gold", ldflags: "-linkmode=external -extldflags=-fuse-ld=gold"},
		{name: "ext-lld", ldflags: "-linkmode=external -extldflags=-fuse-ld=lld"},
		{name: "ext-pie-lld", flags: []string{"-buildmode=pie"}, ldflags: "-linkmode=external -extldflags=-fuse-ld=lld"},
		{name: "ext-clang-lld", ldflags: "-linkmode=external -extldflags=-fuse-ld=lld", cc: "clang"},
		{name: "ext-musl", ldflags: "-linkmode=external", cc: "musl-gcc"},
		{name: "ext-musl-static", ldflags: "-linkmode=external -extldflags=-static", cc: "musl-gcc"},
		// Sections that nobody needs left out, equal ones folded.
		{name: "ext-folded", ldflags: "-linkmode=external -extldflags=-Wl,--gc-sections,--icf=all,-O2,-fuse-ld=gold"},
		{name: "ext-huge-pages", ldflags: "-linkmode=external -extldflags=-Wl,-z,max-page-size=0x200000,-z,common-page-size=0x200000"},
		{name: "ext-one-segment", ldflags: "-linkmode=external -extldflags=-Wl,-z,noseparate-code,-z,norelro,--hash-style=sysv"},
		{name: "no-buildid", ldflags: "-buildid="},
		{name: "gnu-buildid", ldflags: "-B=0x0123456789abcdef"},
		{name: "text-moved", ldflags: "-T=0x10000000"},
	}
	// Modes that compile the standard library anew.
	compileModes = []mode{
		{name: "c-shared", flags: []string{"-buildmode=c-shared"}},
		{name: "plugin", flags: []string{"-buildmode=plugin"}},
		{name: "no-optimization", flags: []string{"-gcflags=all=-N -l"}},
		{name: "race", flags: []string{"-race"}},
		{name: "cover", flags: []string{"-cover", "-coverpkg=all"}},
	}
	oddModes = slices.Concat(linkModes, compileModes)
)

// A link is one run of go build.
type link struct {
	chain         *toolchain
	config        config
	program, arch string
	mode          mode
	small         bool // -s -w
}

func (l link) variant() string {
	switch {
	case l.mode.name == "" && l.small:
		return "sw"
	case l.mode.name == "":
		return "plain"
	case l.small:
		return l.mode.name + "-sw"
	}
	return l.mode.name
}

func (l link) name(variant string) string {
	return fmt.Sprintf("%s-%s-%s-%s-%s", l.chain.version, l.arch, l.config.name, l.program, variant)
}

func (l link) build() goBuild {
	ldflags := l.mode.ldflags
	if l.small {
		ldflags += " -s -w"
	}
	args := append([]string{"-trimpath", "-buildvcs=false", "-ldflags=" + ldflags}, l.mode.flags...)
	if l.config.approved {
		args = append(args, "-tags=approved")
	}
	env := append(l.config.env(l.chain), "GOOS=linux", "GOARCH="+l.arch)
	cc := l.mode.cc
	if l.config.cgo && l.arch == "arm64" {
		cc = "aarch64-linux-gnu-gcc"
	}
	if cc != "" {
		env = append(env, "CC="+cc)
	}
	return goBuild{l.chain, env, append(args, "./"+l.program)}
}

func (l link) refused() string {
	if reason := l.config.refused(l.chain, l.arch, l.arch != "amd64"); reason != "" {
		return reason
	}
	return ""
}

func (l link) truth() row {
	r := l.config.truth(l.chain, l.arch, l.program)
	r.variant = l.variant()
	r.file = l.name(r.variant)
	if r.group != groupFrozen && r.group != groupPending {
		return r
	}
	switch l.mode.name {
	case "plugin":
		// The program that loads it would have to vouch for it.
		r.expect = []string{"declared"}
		r.why += "; the linker seals no plugin"
	case "ext-pie-lld":
		r.expect = []string{"contradicted", "declared"}
		r.why += "; Go's linker does not understand what LLVM's wrote, and seals something else"
	default:
		return r
	}
	r.group, r.holds, r.certificate = groupPending, holdsBroken, "-"
	return r
}

// stripped is the truth of what strip(1) makes of the link.
func (l link) stripped() row {
	r := l.truth()
	r.variant = "strip"
	if l.mode.name != "" {
		r.variant = l.mode.name + "-strip"
	}
	r.file = l.name(r.variant)
	return r
}

// A job is a link and what is made from it without linking again.
type job struct {
	link
	keep    bool // the file of the link itself belongs to the corpus
	derived []string
}

// cross multiplies what a job is made of.
func cross(chains []*toolchain, programs, arches []string, configs []config, each func(link) []job) []job {
	var jobs []job
	for _, chain := range chains {
		for _, config := range configs {
			for _, program := range programs {
				for _, arch := range arches {
					jobs = append(jobs, each(link{chain: chain, config: config, program: program, arch: arch})...)
				}
			}
		}
	}
	return jobs
}

// every is a link in all its variants.
func every(l link) []job {
	pie := l
	pie.mode = modePie
	small, smallPie := l, pie
	small.small, smallPie.small = true, true
	return []job{
		{l, true, []string{"strip", "nobuildinfo", "noshdr", "noelf"}},
		{small, true, nil},
		{pie, true, []string{"strip", "nobuildinfo", "noshdr"}},
		{smallPie, true, nil},
	}
}

// some are the variants that images really have.
func some(l link) []job {
	pie, small := l, l
	pie.mode, pie.small, small.small = modePie, true, true
	return []job{{l, true, []string{"strip"}}, {small, true, nil}, {pie, true, nil}}
}

// static is one link with and without its names.
func static(l link) []job {
	small := l
	small.small = true
	return []job{{l, true, nil}, {small, true, nil}}
}

func relinked(l link) []job   { return inModes(l, linkModes) }
func recompiled(l link) []job { return inModes(l, compileModes) }

func inModes(l link, modes []mode) []job {
	var jobs []job
	for _, m := range modes {
		other := l
		other.mode, other.small = m, m.name != "c-shared" && m.name != "plugin"
		jobs = append(jobs, job{other, true, nil})
	}
	return jobs
}

// smallPlan is the part for every test run: one toolchain, a few links.
func smallPlan(chain *toolchain) []job {
	chains := []*toolchain{chain}
	jobs := cross(chains, []string{"hash"}, []string{"amd64"}, []config{std0, frozen, boring, boring0}, func(l link) []job {
		small := l
		small.small = true
		return []job{{l, false, []string{"onlydebug", "strip", "nobuildinfo", "noshdr", "sstrip"}}, {small, true, nil}}
	})
	jobs = append(jobs, cross(chains, []string{"hash"}, []string{"amd64"}, []config{frozen}, func(l link) []job {
		l.mode = modePie
		return []job{{l, false, []string{"strip"}}}
	})...)
	jobs = append(jobs, cross(chains, []string{"hash"}, []string{"arm64"}, []config{frozen}, func(l link) []job {
		return []job{{l, false, []string{"strip"}}}
	})...)
	return append(jobs, cross(chains, []string{"tiny"}, []string{"amd64"}, []config{std0, boring, frozen}, func(l link) []job {
		l.small = true
		return []job{{l, true, nil}}
	})...)
}

func keepAll(jobs []job) []job {
	for i := range jobs {
		jobs[i].keep = true
	}
	return jobs
}

// otherArches have no BoringCrypto; they differ in word size and byte order.
var otherArches = []string{"386", "arm", "ppc64le", "s390x", "riscv64", "mips", "mipsle", "mips64", "loong64"}

// linked are the links of a C compiler that images really have.
func linked(l link) []job {
	return slices.DeleteFunc(relinked(l), func(j job) bool {
		return !slices.Contains([]string{"ext", "ext-static", "ext-pie"}, j.mode.name)
	})
}

// fullPlan is the matrix: what differs most stands first, for whoever stops
// it. Links for other architectures are fewer: each compiles the standard
// library anew.
func fullPlan(installed *toolchain, chains []*toolchain) []job {
	only := []*toolchain{installed}
	newest := slices.MaxFunc(chains, func(a, b *toolchain) int { return a.minor - b.minor })
	oldest := slices.MinFunc(chains, func(a, b *toolchain) int { return a.minor - b.minor })
	ends := []*toolchain{installed, newest}
	both64 := []string{"amd64", "arm64"}
	return slices.Concat(
		cross(chains, []string{"hash"}, []string{"amd64"}, allConfigs, every),
		cross(only, []string{"hash"}, otherArches, []config{frozen, std0, boring0}, static),
		cross(only, []string{"hash"}, []string{"amd64"}, []config{boring, frozen1, std1}, relinked),
		cross(chains, []string{"hash"}, []string{"amd64"}, []config{boring, frozen1, std1}, linked),
		cross(chains, []string{"hash"}, []string{"arm64"}, []config{frozen, boring}, static),
		cross(only, []string{"hash"}, []string{"amd64"}, []config{boring, frozen1, std1}, recompiled),
		cross(chains, []string{"hash"}, []string{"arm64"}, []config{std0, fipsonly, boring0, v126, latest}, static),
		cross(ends, []string{"hash"}, otherArches, []config{frozen, std0, boring0}, static),
		cross(chains, []string{"hash"}, otherArches, []config{frozen, std0}, static),
		cross(ends, []string{"tls"}, []string{"amd64"}, []config{std1, boring, fipsonly, boring0, frozen}, some),
		cross(ends, []string{"tls"}, []string{"amd64"}, []config{boring, frozen1, std1}, relinked),
		cross([]*toolchain{oldest, installed, newest}, []string{"tiny"}, both64, []config{std0, boring, boring0, frozen}, static),
		cross(ends, []string{"hash"}, []string{"arm64"}, []config{boring, frozen, std0}, every),
		cross(only, []string{"large"}, []string{"amd64"}, []config{std0, boring, frozen}, some),
		cross(only, []string{"tls"}, []string{"arm64"}, []config{boring, fipsonly, frozen, boring0, std0}, static),
		cross(chains, []string{"tls"}, []string{"amd64"}, []config{boring, fipsonly, frozen, boring0, std1}, some),
		cross(ends, []string{"tls"}, []string{"amd64"}, []config{boring, frozen1, std1}, recompiled),
	)
}

func (j job) path(dir, variant string) string { return filepath.Join(dir, j.name(variant)) }
