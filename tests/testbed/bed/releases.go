package main

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// imageHub is what follows the host and port of a registry.
const imageHub = "solo"

const (
	pilotFile = "/usr/local/bin/pilot-discovery"
	envoyFile = "/usr/local/bin/envoy"
)

// imageFiles are the programs of each image, by their paths inside.
var imageFiles = map[string][]string{
	"pilot":       {pilotFile},
	"proxyv2":     {"/usr/local/bin/pilot-agent", envoyFile},
	"install-cni": {"/usr/local/bin/install-cni", "/opt/cni/bin/istio-cni"},
}

// A release is what the registry holds under one tag, and once more under the
// same tag with -distroless.
type release struct {
	tag     string
	version string
	flavor  flavor // of its programs, but for the odd ones
	says    string

	odd     map[string]content // by path inside, what is not of that flavor
	archs   []string
	bare    bool // a manifest without an index
	docker  bool // Docker's media types instead of OCI's
	zstd    bool
	layered bool   // the programs are behind links, and plain ones below them
	without string // the image that is not there
}

// content is a program of a release: a build, and what was done to it after.
type content struct {
	flavor flavor
	change func([]byte) ([]byte, error)
}

func releases() []release {
	fips := func(patch int, says string) release {
		return release{
			tag:     fmt.Sprintf("%s-patch%d-solo-fips", istioVersion, patch),
			version: istioVersion, flavor: boring, archs: []string{"amd64", "arm64"}, says: says,
		}
	}
	plainOne := fips(0, "plain builds and the real Envoy; Docker's manifest list")
	plainOne.tag, plainOne.flavor, plainOne.docker = istioVersion+"-solo", plain, true
	first := fips(0, "BoringCrypto builds")
	first.tag = istioVersion + "-solo-fips"
	next := fips(0, "BoringCrypto builds of the next version")
	next.tag, next.version = istioNext+"-solo-fips", istioNext
	goModule := fips(1, "GOFIPS140=v1.0.0 builds")
	goModule.flavor = native
	zstd := fips(2, "BoringCrypto builds in zstd layers")
	zstd.zstd = true
	layered := fips(3, "BoringCrypto builds behind links; below, plain ones that later layers remove")
	layered.layered = true
	standard := fips(4, "bad: proxyv2 holds the real Envoy, which is not FIPS")
	standard.odd = map[string]content{envoyFile: {flavor: plain}}
	forged := fips(5, "bad: pilot-discovery is a plain build whose build info says BoringCrypto")
	forged.odd = map[string]content{pilotFile: {flavor: plain, change: forgeBuildInfo}}
	flipped := fips(6, "bad: pilot-discovery has one flipped byte in its BoringCrypto module")
	flipped.odd = map[string]content{pilotFile: {flavor: boring, change: flipModuleByte}}
	oneArch := fips(7, "bad: an index with amd64 only")
	oneArch.archs = []string{"amd64"}
	incomplete := fips(8, "bad: no proxyv2")
	incomplete.without = "proxyv2"
	noIndex := fips(9, "bad: amd64 only, a manifest without an index")
	noIndex.archs, noIndex.bare = []string{"amd64"}, true
	return []release{
		plainOne, first, next, goModule, zstd, layered, standard, forged, flipped, oneArch, incomplete, noIndex,
	}
}

func (r release) tags() []string { return []string{r.tag, r.tag + "-distroless"} }

func (r release) content(file string) content {
	if odd, ok := r.odd[file]; ok {
		return odd
	}
	return content{flavor: r.flavor}
}

// program is the name of what stands at a path of its images. For an
// architecture that is not ours, and for Envoy as FIPS, that is a stand-in.
func (r release) program(file, arch string, f flavor) string {
	name := path.Base(file)
	switch {
	case arch != "amd64" || file == envoyFile && f != plain:
		return f.named("standin-" + arch)
	case file == envoyFile:
		return "envoy"
	}
	return f.named(name + "-" + r.version)
}

// ownHost is the host of an image name, if it is one of the bed's registries.
func ownHost(image string) string {
	host, _, _ := strings.Cut(image, "/")
	if slices.Contains([]string{registryAddress, lockedAddress}, host) {
		return host
	}
	return ""
}

// releaseOf is the release that an image of the bed's own registries is of.
func releaseOf(image string) (release, bool) {
	if host := ownHost(image); host == "" || !strings.HasPrefix(image, host+"/"+imageHub+"/") {
		return release{}, false
	}
	tag := imageTag(image)
	for _, r := range releases() {
		if slices.Contains(r.tags(), tag) {
			return r, true
		}
	}
	return release{}, false
}
