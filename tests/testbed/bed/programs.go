package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"sort"
	"strings"
)

const (
	etcdVersion  = "3.6.4"
	kubeVersion  = "1.34.2"
	kwokVersion  = "0.8.0"
	istioVersion = "1.31.0"
	// The same source as istioVersion with another stamp: something to upgrade to.
	istioNext = "1.31.1"
)

// A program is built from a Go module in tools/, whose go.mod and go.sum pin
// every source file of it.
type program struct {
	name    string // of the file, in the cache and in a directory that is given
	version string
	module  string // directory in tools/
	pkg     string
	stamp   []string // -X of the linker
	env     []string
	cost    string // of a first build on two cores, for the person who waits
	probe   []string
	flavor  flavor
	cross   string // C compiler of another architecture, if it needs one
}

const crossCompiler = "aarch64-linux-gnu-gcc"

// A flavor is how the cryptography got into a Go program.
type flavor string

const (
	plain  flavor = ""
	boring flavor = "fips"    // BoringCrypto, by cgo
	native flavor = "fips140" // the frozen module of Go itself
)

// build is what the compiler is told. Without cgo the experiment is in the
// version string, but no BoringCrypto in the program.
func (f flavor) build() []string {
	switch f {
	case boring:
		return []string{"GOEXPERIMENT=boringcrypto", "CGO_ENABLED=1"}
	case native:
		return []string{"GOEXPERIMENT=", "CGO_ENABLED=0", "GOFIPS140=v1.0.0"}
	}
	return nil
}

// named is the name of a program in that flavor.
func (f flavor) named(program string) string {
	if f == plain {
		return program
	}
	return program + "-" + string(f)
}

func programs(istioRevision string) []program {
	all := []program{
		{name: "etcd", version: etcdVersion, module: "etcd", pkg: "go.etcd.io/etcd/server/v3",
			cost: "1 min", probe: []string{"--version"}},
		kube("kube-apiserver", "2 min", "--version"),
		kube("kube-controller-manager", "90 s", "--version"),
		kube("kube-scheduler", "15 s", "--version"),
		kube("kubectl", "90 s", "version", "--client"),
		{name: "kwok", version: kwokVersion, module: "kwok", pkg: "sigs.k8s.io/kwok/cmd/kwok",
			cost: "2 min", probe: []string{"--version"}},
		{name: "kubelet-streaming", version: kwokVersion, module: "kwok", pkg: "./kubelet", cost: "5 s"},
	}
	for _, version := range []string{istioVersion, istioNext} {
		all = append(all, istioctl(version, istioRevision),
			pilot(version, istioRevision, plain), pilot(version, istioRevision, boring))
	}
	return all
}

// imagePrograms are what is in the images and does not run in the bed, but for
// the pilot-discovery of the third flavor.
func imagePrograms(istioRevision string) []program {
	all := []program{pilot(istioVersion, istioRevision, native)}
	for _, f := range []flavor{plain, boring, native} {
		for _, pkg := range []string{"pilot/cmd/pilot-agent", "cni/cmd/install-cni", "cni/cmd/istio-cni"} {
			all = append(all, agent(pkg, istioVersion, istioRevision, f))
			if f == boring {
				all = append(all, agent(pkg, istioNext, istioRevision, f))
			}
		}
		all = append(all, standIn("arm64", f))
	}
	return append(all, standIn("amd64", boring), standIn("amd64", native))
}

func kube(name, cost string, probe ...string) program {
	stamp := "k8s.io/component-base/version."
	major, rest, _ := strings.Cut(kubeVersion, ".")
	minor, _, _ := strings.Cut(rest, ".")
	return program{
		name: name, version: kubeVersion, module: "kubernetes", pkg: "k8s.io/kubernetes/cmd/" + name,
		stamp: []string{
			stamp + "gitVersion=v" + kubeVersion, stamp + "gitMajor=" + major,
			stamp + "gitMinor=" + minor, stamp + "gitTreeState=clean",
		},
		cost: cost, probe: probe,
	}
}

func istioctl(version, revision string) program {
	return program{
		name: "istioctl-" + version, version: version, module: "istio",
		pkg: "istio.io/istio/istioctl/cmd/istioctl", stamp: istioStamp(version, revision),
		cost: firstOr("5 min", version), probe: []string{"version", "--remote=false"},
	}
}

func pilot(version, revision string, f flavor) program {
	cost := map[flavor]string{plain: "1 min", boring: "6 min", native: "8 min"}
	return program{
		name: pilotName(version, f), version: version, module: "istio",
		pkg: "istio.io/istio/pilot/cmd/pilot-discovery", stamp: istioStamp(version, revision), env: f.build(),
		cost: firstOr(cost[f], version), probe: []string{"version", "--short"}, flavor: f,
	}
}

func pilotName(version string, f flavor) string { return f.named("pilot-discovery-" + version) }

func agent(pkg, version, revision string, f flavor) program {
	p := program{
		name: f.named(path.Base(pkg) + "-" + version), version: version, module: "istio-agent",
		pkg: "istio.io/istio/" + pkg, stamp: istioStamp(version, revision), env: f.build(),
		cost: firstOr("20 s", version), flavor: f,
	}
	if path.Base(pkg) == "pilot-agent" {
		p.probe = []string{"version", "--short"}
	}
	return p
}

func standIn(arch string, f flavor) program {
	p := program{
		name: f.named("standin-" + arch), module: "istio-agent", pkg: "./standin",
		env: f.build(), cost: "1 min", flavor: f,
	}
	if p.env == nil {
		p.env = program{}.buildEnv()
	}
	p.env = append(p.env, "GOARCH="+arch)
	if f == boring && arch != runtime.GOARCH {
		p.cross = crossCompiler
		p.env = append(p.env, "CC="+p.cross)
	}
	return p
}

// firstOr is the cost of a build whose other version differs by its stamp only.
func firstOr(first, version string) string {
	if version == istioVersion {
		return first
	}
	return "5 s"
}

func istioStamp(version, revision string) []string {
	stamp := "istio.io/istio/pkg/version."
	return []string{
		stamp + "buildVersion=" + version, stamp + "buildTag=" + version,
		stamp + "buildHub=docker.io/istio", stamp + "buildGitRevision=" + revision,
		stamp + "buildStatus=Clean",
	}
}

var pseudoVersion = regexp.MustCompile(`(?m)^\s*(?:require )?istio\.io/istio v\S+-([0-9a-f]{12})\b`)

// istioRevision reads the commit from the pinned pseudo-version.
func istioRevision(goMod []byte) (string, error) {
	found := pseudoVersion.FindSubmatch(goMod)
	if found == nil {
		return "", fmt.Errorf("no pseudo-version of istio.io/istio in its go.mod")
	}
	return string(found[1]), nil
}

// title is name and version, said once.
func (p program) title() string {
	if strings.Contains(p.name, p.version) {
		return p.name
	}
	return p.name + " " + p.version
}

func (p program) buildArgs(output string) []string {
	flags := "-s -w"
	for _, value := range p.stamp {
		flags += " -X " + value
	}
	return []string{"build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", output, p.pkg}
}

func (p program) buildEnv() []string {
	if p.env != nil {
		return p.env
	}
	return []string{"GOEXPERIMENT=", "CGO_ENABLED=0"}
}

// compiler says what else than Go it takes, for the person who lacks it.
func (p program) compiler() string {
	switch {
	case p.cross != "":
		return ", and " + p.cross + " (Debian: gcc-aarch64-linux-gnu)"
	case p.flavor == boring:
		return ", and a C compiler (Debian: gcc libc6-dev)"
	}
	return ""
}

// key changes with everything that goes into the program: sources, by their
// checksums in go.sum; flags; compiler.
func (p program) key(moduleDir, goVersion string) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, goVersion, runtime.GOOS, runtime.GOARCH, p.buildArgs(""), p.buildEnv())
	files := []string{"go.mod", "go.sum"}
	if own, ok := strings.CutPrefix(p.pkg, "./"); ok {
		sources, err := filepath.Glob(filepath.Join(moduleDir, own, "*.go"))
		if err != nil {
			return "", err
		}
		sort.Strings(sources)
		for _, source := range sources {
			files = append(files, filepath.Join(own, filepath.Base(source)))
		}
	}
	for _, name := range files {
		data, err := os.ReadFile(filepath.Join(moduleDir, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, name, len(data))
		sum.Write(data)
	}
	return hex.EncodeToString(sum.Sum(nil))[:12], nil
}

// given finds the program in a directory of ready programs, as envtest does.
// Another version, or a plain build where a FIPS one is due, is not it.
func (p program) given(dir string) (string, string) {
	file := filepath.Join(dir, p.name)
	if _, err := os.Stat(file); err != nil {
		return "", "not there"
	}
	if p.probe != nil {
		output, err := exec.Command(file, p.probe...).CombinedOutput()
		if err != nil {
			return "", fmt.Sprintf("%s: %v", strings.Join(p.probe, " "), err)
		}
		if !bytes.Contains(output, []byte(p.version)) {
			return "", "it is not " + p.version
		}
	}
	if goProgram := p.module == "istio" || p.module == "istio-agent"; goProgram && p.flavor != flavorOf(file) &&
		!strings.HasPrefix(p.name, "istioctl") {
		return "", "it is of another flavor (plain, BoringCrypto, GOFIPS140)"
	}
	return file, ""
}

// flavorOf reads how a program was built.
func flavorOf(file string) flavor {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return plain
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	switch {
	case strings.Contains(settings["GOEXPERIMENT"], "boringcrypto") && settings["CGO_ENABLED"] == "1":
		return boring
	case strings.HasPrefix(settings["GOFIPS140"], "v1.0.0"):
		return native
	}
	return plain
}
