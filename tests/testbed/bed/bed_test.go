package main

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestChooseIstiod(t *testing.T) {
	const hub = "us-docker.pkg.dev/soloio-img/istio/pilot:"
	for image, want := range map[string]istiodBuild{
		hub + "1.31.0-solo-fips-distroless":               {version: "1.31.0", flavor: boring},
		hub + "1.31.0-solo":                               {version: "1.31.0"},
		hub + "1.31.1-patch2-solo-fips":                   {version: "1.31.1", flavor: boring},
		"registry:5000/pilot:1.31.1":                      {version: "1.31.1"},
		hub + "1.31.0-solo-fips@sha256:" + sixtyFour("a"): {version: "1.31.0", flavor: boring},
	} {
		if got := chooseIstiod(image); got != want {
			t.Errorf("%s: %+v, want %+v", image, got, want)
		}
	}
	for image, version := range map[string]string{
		hub + "1.30.9-solo": "1.31.0", hub + "1.31.7-solo": "1.31.1", hub + "1.32.0": "1.31.1",
		hub + "latest": "1.31.0", "registry:5000/pilot": "1.31.0",
	} {
		if got := chooseIstiod(image); got.version != version || got.note == "" {
			t.Errorf("%s: %+v, want %s with a note", image, got, version)
		}
	}
}

func sixtyFour(digit string) string { return strings.Repeat(digit, 64) }

func TestIstiodStaysOnItsAddress(t *testing.T) {
	p := istiodPod()
	args := istiodArgs(p, "/k")
	for _, want := range []string{"discovery", "--monitoringAddr=10.244.0.9:15014", "--httpsAddr=10.244.0.9:15017"} {
		if !slices.Contains(args, want) {
			t.Errorf("%q lacks %s", args, want)
		}
	}
	if slices.Index(args, "--monitoringAddr=:15014") > slices.Index(args, "--monitoringAddr=10.244.0.9:15014") {
		t.Error("our address must come last")
	}
}

func TestIstiodEnvironment(t *testing.T) {
	env := istiodEnv(istiodPod())
	for _, want := range []string{"REVISION=r1", "POD_NAME=istiod-1"} {
		if !slices.Contains(env, want) {
			t.Errorf("%q lacks %s", env, want)
		}
	}
	if slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "KUBECONFIG=") }) {
		t.Error("the file that the container's KUBECONFIG names is not here")
	}
}

func istiodPod() *pod {
	p := &pod{}
	p.Metadata.Name, p.Metadata.Namespace = "istiod-1", "istio-system"
	p.Metadata.Labels = map[string]string{"app": "istiod"}
	p.Status.PodIP = "10.244.0.9"
	p.Spec.Containers = []container{{
		Name: "discovery", Args: []string{"discovery", "--monitoringAddr=:15014"},
		Env: []envVar{{Name: "REVISION", Value: "r1"}, {Name: "KUBECONFIG", Value: "/var/run/secrets/remote/config"}},
	}}
	return p
}

func TestWanted(t *testing.T) {
	if !wanted(istiodPod()) {
		t.Error("a pod with an address runs")
	}
	for name, change := range map[string]func(*pod){
		"another app": func(p *pod) { p.Metadata.Labels["app"] = "web" },
		"no address":  func(p *pod) { p.Status.PodIP = "" },
		"deleted":     func(p *pod) { p.Metadata.DeletionTimestamp = "2026-01-01T00:00:00Z" },
		"told to wait": func(p *pod) {
			p.Metadata.Annotations = map[string]string{waitingNote: "CreateContainerConfigError"}
		},
		"no image": func(p *pod) {
			p.Status.ContainerStatuses = make([]containerStatus, 1)
			waiting := &p.Status.ContainerStatuses[0].State.Waiting
			*waiting = &struct {
				Reason  string `json:"reason"`
				Message string `json:"message"`
			}{Reason: "ImagePullBackOff"}
		},
	} {
		p := istiodPod()
		change(p)
		if wanted(p) {
			t.Errorf("%s: must not run", name)
		}
	}
}

func TestStats(t *testing.T) {
	for _, c := range []struct {
		fips  bool
		query string
		want  string
	}{
		{true, "filter=fips_mode&usedonly", "envoy_server_compilation_settings_fips_mode{} 1\n"},
		{false, "filter=^server\\.compilation_settings\\.fips_mode$", "envoy_server_compilation_settings_fips_mode{} 0\n"},
		{true, "filter=nothing", ""},
		{true, "usedonly&filter=debug_assertion", ""},
	} {
		query, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := renderStats(c.fips, time.Second, query)
		if err != nil || !strings.HasSuffix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: %q, %v", c.query, got, err)
		}
	}
	if _, err := renderStats(true, 0, url.Values{"filter": {"("}}); err == nil {
		t.Error("a broken filter must be refused")
	}
}

func TestCloneKeepsTheLength(t *testing.T) {
	const uid = "0ca06c9c-f7ce-4a13-b56b-847614f9a4c2"
	stored := []byte("app-00000 bench-0 node-1 " + uid + " " + sampleIP)
	seen := map[string]bool{}
	for n := range maxBench {
		got := string(clone(stored, uid, n))
		if len(got) != len(stored) || seen[got] {
			t.Fatalf("%d: %s", n, got)
		}
		seen[got] = true
	}
}

func TestKeyChangesWithEverything(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key := func(p program, goVersion string) string {
		k, err := p.key(dir, goVersion)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	write("go.mod", "module a")
	write("go.sum", "")
	all := programs("0123456789ab")
	seen := map[string]string{}
	for _, p := range all {
		if !strings.HasPrefix(p.pkg, "./") {
			seen[key(p, "go1")] = p.name
		}
	}
	seen[key(all[0], "go2")] = "another compiler"
	write("go.sum", "checksum")
	seen[key(all[0], "go1")] = "another source"
	if want := len(all) - 1 + 2; len(seen) != want {
		t.Errorf("%d keys for %d cases: %v", len(seen), want, seen)
	}
}

func TestResetOrder(t *testing.T) {
	r := &resetter{baseline: map[string]keyValue{
		"/registry/namespaces/default": {ModRevision: "3", Value: []byte("as it was")},
	}}
	now := map[string]keyValue{
		"/registry/namespaces/default":                          {ModRevision: "9"},
		"/registry/pods/app/web":                                {},
		"/registry/replicasets/app/web":                         {},
		"/registry/namespaces/app":                              {},
		"/registry/mutatingwebhookconfigurations/injector":      {},
		"/registry/leases/kube-system/apiserver":                {},
		"/registry/apiregistration.k8s.io/apiservices/v1.istio": {},
	}
	steps, waiting := r.changes(now)
	if !waiting {
		t.Error("the API service goes by itself, and is waited for")
	}
	var keys []string
	for _, step := range steps {
		for _, c := range step {
			keys = append(keys, c.method+" "+c.key)
		}
	}
	slices.Sort(keys[len(keys)-2:]) // of one step, in any order
	want := []string{
		"deleterange /registry/mutatingwebhookconfigurations/injector", "deleterange /registry/namespaces/app",
		"deleterange /registry/replicasets/app/web",
		"deleterange /registry/pods/app/web", "put /registry/namespaces/default",
	}
	if !slices.Equal(keys, want) {
		t.Errorf("%q, want %q", keys, want)
	}
}

func TestIstioRevision(t *testing.T) {
	got, err := istioRevision([]byte("require (\n\tistio.io/istio v0.0.0-20260827124520-eed52ebb66ad // indirect\n)"))
	if err != nil || got != "eed52ebb66ad" {
		t.Errorf("%q, %v", got, err)
	}
}
