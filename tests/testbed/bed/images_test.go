package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestForgedBuildInfoReadsAsBoringCrypto(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if flavorOf(self) != plain {
		t.Skip("the tests themselves are no plain build")
	}
	forged, err := forgeBuildInfo(program)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "forged")
	if err := os.WriteFile(file, forged, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(file)
	if err != nil || !strings.HasSuffix(info.GoVersion, "-X:boringcrypto") || flavorOf(file) != boring {
		t.Errorf("%v, %v", info, err)
	}
	if len(forged) != len(program) {
		t.Errorf("%d bytes, was %d", len(forged), len(program))
	}
}

func TestFlippedModuleDiffersInOneBitBeforeItsSum(t *testing.T) {
	sum, _ := hex.DecodeString(moduleSums[1])
	program := slices.Concat(make([]byte, 300_000), sum, []byte("rest"))
	flipped, err := flipModuleByte(program)
	if err != nil {
		t.Fatal(err)
	}
	var at []int
	for i := range program {
		if program[i] != flipped[i] {
			at = append(at, i)
		}
	}
	if !slices.Equal(at, []int{100_000}) || flipped[100_000] != 1 {
		t.Errorf("differs at %v", at)
	}
	if _, err := flipModuleByte(bytes.Repeat([]byte("x"), 300_000)); err == nil {
		t.Error("a program without a module is flipped")
	}
}

func TestReleaseOf(t *testing.T) {
	for image, want := range map[string]istiodBuild{
		"127.0.0.1:5000/solo/pilot:1.31.0-patch1-solo-fips":            {version: "1.31.0", flavor: native},
		"127.0.0.1:5001/solo/pilot:1.31.0-patch1-solo-fips-distroless": {version: "1.31.0", flavor: native},
		"127.0.0.1:5000/solo/pilot:1.31.0-patch5-solo-fips":            {version: "1.31.0", flavor: plain},
		"127.0.0.1:5000/solo/pilot:1.31.1-solo-fips":                   {version: "1.31.1", flavor: boring},
		// Elsewhere the tag alone decides.
		"example.org/solo/pilot:1.31.0-patch1-solo-fips": {version: "1.31.0", flavor: boring},
		"127.0.0.1:5000/other/pilot:1.31.0-patch5-fips":  {version: "1.31.0", flavor: boring},
	} {
		if got := chooseIstiod(image); got != want {
			t.Errorf("%s: %+v, want %+v", image, got, want)
		}
	}
}

func TestReleasesHaveTheirPrograms(t *testing.T) {
	known := map[string]bool{"envoy": true}
	for _, p := range append(programs("0123456789ab"), imagePrograms("0123456789ab")...) {
		if known[p.name] {
			t.Errorf("%s is there twice", p.name)
		}
		known[p.name] = true
	}
	tags := map[string]bool{}
	for _, r := range releases() {
		for _, files := range imageFiles {
			for _, file := range files {
				for _, arch := range r.archs {
					for _, f := range []flavor{r.content(file).flavor, plain} {
						if name := r.program(file, arch, f); !known[name] {
							if f == plain && !r.layered && r.flavor != plain {
								continue
							}
							t.Errorf("%s: no program %s for %s on %s", r.tag, name, file, arch)
						}
					}
				}
			}
		}
		for _, tag := range r.tags() {
			if tags[tag] {
				t.Errorf("two releases are tagged %s", tag)
			}
			tags[tag] = true
		}
	}
}

func sampleTable() imageTable {
	return imageTable{"solo/pilot:1.31.0-solo": {
		Index: "sha256:" + sixtyFour("1"),
		Platforms: map[string]platformImage{
			"amd64": {Manifest: "sha256:" + sixtyFour("2"), Config: "sha256:" + sixtyFour("3")},
		},
	}}
}

func TestImageIDForms(t *testing.T) {
	const at = "127.0.0.1:5000/solo/pilot"
	for form, want := range map[string]string{
		formIndex:    at + "@sha256:" + sixtyFour("1"),
		formPlatform: at + "@sha256:" + sixtyFour("2"),
		formConfig:   "sha256:" + sixtyFour("3"),
		formBare:     sixtyFour("3"),
		formDocker:   "docker-pullable://" + at + "@sha256:" + sixtyFour("1"),
	} {
		ids := sampleTable().ids("amd64", form)
		for _, name := range []string{at + ":1.31.0-solo", at + "@sha256:" + sixtyFour("1")} {
			if ids[name] != want {
				t.Errorf("%s of %s: %q, want %q", form, name, ids[name], want)
			}
		}
		if ids := sampleTable().ids("arm64", form); len(ids) != 0 {
			t.Errorf("there is no image for arm64: %v", ids)
		}
	}
}

func TestNewImageIDs(t *testing.T) {
	ids := sampleTable().ids("amd64", formBare)
	status := func(image, id string) string { return `{"image":"` + image + `","imageID":"` + id + `","ready":true}` }
	known, other := "127.0.0.1:5000/solo/pilot:1.31.0-solo", "busybox:1"
	for name, c := range map[string]struct{ pod, want string }{
		"known and unknown image": {
			`{"status":{"containerStatuses":[` + status(known, "old") + `,` + status(other, "kept") + `]}}`,
			`{"containerStatuses":[` + status(known, sixtyFour("3")) + `,` + status(other, "kept") + `]}`,
		},
		"sidecar by digest": {
			`{"status":{"initContainerStatuses":[` + status(known+"@sha256:"+sixtyFour("1"), "old") + `]}}`,
			`{"initContainerStatuses":[` + status(known+"@sha256:"+sixtyFour("1"), sixtyFour("3")) + `]}`,
		},
		"right already": {`{"status":{"containerStatuses":[` + status(known, sixtyFour("3")) + `]}}`, `null`},
		"not pulled":    {`{"status":{"containerStatuses":[` + status(known, "") + `]}}`, `null`},
		"form of its own": {
			`{"metadata":{"annotations":{"` + imageIDNote + `":"index"}},"status":{"containerStatuses":[` + status(known, "old") + `]}}`,
			`null`,
		},
	} {
		var p statusOf
		if err := json.Unmarshal([]byte(c.pod), &p); err != nil {
			t.Fatal(name, err)
		}
		var want map[string]any
		if err := json.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(name, err)
		}
		got, _ := json.Marshal(newImageIDs(p, ids))
		if again, _ := json.Marshal(want); string(got) != string(again) {
			t.Errorf("%s: %s, want %s", name, got, again)
		}
	}
}

func TestStorageIsLinkedWithoutUploads(t *testing.T) {
	store, to := t.TempDir(), filepath.Join(t.TempDir(), "registry")
	for name, content := range map[string]string{
		"blobs/sha256/ab/abcd/data": "layer", "repositories/solo/pilot/_manifests/tags/1/current/link": "sha256:abcd",
		"repositories/solo/pilot/_uploads/1/data": "half",
	} {
		file := filepath.Join(store, "registry", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := linkStorage(store, to); err != nil {
		t.Fatal(err)
	}
	found := map[string]fs.FileMode{}
	err := filepath.WalkDir(to, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			rest, _ := filepath.Rel(to, name)
			found[rest] = entry.Type()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 2 || found["blobs/sha256/ab/abcd/data"] != fs.ModeSymlink ||
		found["repositories/solo/pilot/_manifests/tags/1/current/link"] != 0 {
		t.Errorf("%v", found)
	}
}

func TestNodesTakeTheirArchitecturesByTurns(t *testing.T) {
	o, err := parseOptions([]string{"--nodes", "3", "--arch", "amd64,arm64"})
	if err != nil {
		t.Fatal(err)
	}
	for node, want := range map[string]string{"node-1": "amd64", "node-2": "arm64", "node-3": "amd64", "": "amd64"} {
		if got := o.archOf(node); got != want {
			t.Errorf("%q: %s, want %s", node, got, want)
		}
	}
	for _, args := range [][]string{{"--arch", "s390x"}, {"--arch", ""}, {"--image-ids", "hex"}} {
		if _, err := parseOptions(args); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}

func TestLastAddress(t *testing.T) {
	pods := []statusOf{{}, {Status: map[string]any{"podIP": "10.244.0.9"}}, {Status: map[string]any{"podIP": "10.244.0.10"}},
		{Status: map[string]any{"podIP": "10.244.128.1"}}, {Status: map[string]any{"podIP": "127.0.0.1"}}}
	if got := lastAddress(pods).String(); got != "10.244.0.10" {
		t.Errorf("%s", got)
	}
	if got := lastAddress(nil); got != firstPodAddress {
		t.Errorf("%s", got)
	}
}
