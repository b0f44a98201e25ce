package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
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
	fips    bool
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
			pilot(version, istioRevision, false), pilot(version, istioRevision, true))
	}
	return all
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

func pilot(version, revision string, fips bool) program {
	p := program{
		name: pilotName(version, fips), version: version, module: "istio",
		pkg: "istio.io/istio/pilot/cmd/pilot-discovery", stamp: istioStamp(version, revision),
		cost: firstOr("1 min", version), probe: []string{"version", "--short"}, fips: fips,
	}
	if fips {
		// Without cgo the experiment is in the version string, but no
		// BoringCrypto in the program.
		p.env = []string{"GOEXPERIMENT=boringcrypto", "CGO_ENABLED=1"}
		p.cost = firstOr("6 min", version)
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

func pilotName(version string, fips bool) string {
	if fips {
		return "pilot-discovery-" + version + "-fips"
	}
	return "pilot-discovery-" + version
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
	path := filepath.Join(dir, p.name)
	if _, err := os.Stat(path); err != nil {
		return "", "not there"
	}
	if p.probe != nil {
		output, err := exec.Command(path, p.probe...).CombinedOutput()
		if err != nil {
			return "", fmt.Sprintf("%s: %v", strings.Join(p.probe, " "), err)
		}
		if !bytes.Contains(output, []byte(p.version)) {
			return "", "it is not " + p.version
		}
	}
	if strings.HasPrefix(p.name, "pilot-discovery") && boringCrypto(path) != p.fips {
		return "", "it is of the other flavour (BoringCrypto or not)"
	}
	return path, ""
}

func boringCrypto(path string) bool {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return false
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	return strings.Contains(settings["GOEXPERIMENT"], "boringcrypto") && settings["CGO_ENABLED"] == "1"
}
