package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// toolbox finds programs: in the directory that is given, in the cache, or by
// building them.
type toolbox struct {
	source    string
	cache     string
	assets    string
	goVersion string
}

func newToolbox() (*toolbox, error) {
	t := &toolbox{source: os.Getenv(envSource), cache: os.Getenv(envCache), assets: os.Getenv(envAssets)}
	if t.source == "" || t.cache == "" {
		return nil, errors.New(envSource + " and " + envCache + " are not set: call scripts/testbed")
	}
	return t, os.MkdirAll(t.cache, 0o755)
}

// revision is the commit of Istio that the programs are built from.
func (t *toolbox) revision() (string, error) {
	goMod, err := os.ReadFile(filepath.Join(t.source, "tools", "istio", "go.mod"))
	if err != nil {
		return "", err
	}
	return istioRevision(goMod)
}

// all returns the path of every program by its name.
func (t *toolbox) all(ctx context.Context, which func(revision string) []program) (map[string]string, error) {
	revision, err := t.revision()
	if err != nil {
		return nil, err
	}
	return t.each(ctx, which(revision))
}

func (t *toolbox) each(ctx context.Context, wanted []program) (map[string]string, error) {
	paths := map[string]string{}
	for _, p := range wanted {
		path, err := t.find(ctx, p)
		if err != nil {
			return nil, err
		}
		paths[p.name] = path
	}
	return paths, nil
}

func (t *toolbox) find(ctx context.Context, p program) (string, error) {
	if t.assets != "" {
		path, why := p.given(t.assets)
		if path != "" {
			return path, nil
		}
		say("%s: not taken from %s (%s)", p.title(), t.assets, why)
	}
	if err := t.askGo(); err != nil {
		return "", t.missing(p, err)
	}
	dir := filepath.Join(t.source, "tools", p.module)
	key, err := p.key(dir, t.goVersion)
	if err != nil {
		return "", err
	}
	home := filepath.Join(t.cache, "programs", p.name+"-"+key)
	if path := filepath.Join(home, p.name); exists(path) {
		return path, nil
	}
	if err := t.build(ctx, p, dir, home); err != nil {
		return "", t.missing(p, err)
	}
	return filepath.Join(home, p.name), nil
}

func (t *toolbox) askGo() error {
	if t.goVersion != "" {
		return nil
	}
	output, err := exec.Command("go", "env", "GOVERSION").Output()
	if err != nil {
		return fmt.Errorf("cannot run go: %w", err)
	}
	t.goVersion = strings.TrimSpace(string(output))
	return nil
}

func (t *toolbox) missing(p program, why error) error {
	return fmt.Errorf("no %s: %w\n"+
		"  either let it be built: Go 1.26 and the Go module proxy%s;\n"+
		"  or set %s to a directory that has the file %s of that version",
		p.title(), why, p.compiler(),
		envAssets, p.name)
}

// build makes one program under the lock of the cache, so that two runs at the
// same time make it once; a half-made one never has the final name.
func (t *toolbox) build(ctx context.Context, p program, moduleDir, home string) error {
	unlock, err := lockFile(filepath.Join(t.cache, "build.lock"), func() {
		say("waiting for another build in %s …", t.cache)
	})
	if err != nil {
		return err
	}
	defer unlock()
	if exists(filepath.Join(home, p.name)) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(home), 0o755); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(home), ".build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	say("building %s (about %s, once) …", p.title(), p.cost)
	start := time.Now()
	args := append([]string{"-n", "10", "go"}, p.buildArgs(filepath.Join(temp, p.name))...)
	cmd := exec.CommandContext(ctx, "nice", args...)
	cmd.Dir = moduleDir
	cmd.Env = append(os.Environ(), append(p.buildEnv(), "GOFLAGS=", "GOWORK=off")...)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, tail(string(output), 15))
	}
	say("  %s done in %s", p.name, time.Since(start).Round(time.Second))
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	return os.Rename(temp, home)
}

// fetch gets everything, or Envoy alone. Images are left out where the tools
// for them are.
func fetch(ctx context.Context, args []string) error {
	tools, err := newToolbox()
	if err != nil {
		return err
	}
	if slices.Contains(args, "envoy") {
		_, err := tools.envoy(ctx)
		return err
	}
	if _, err := tools.all(ctx, programs); err != nil {
		return err
	}
	if err := missingTools(slices.Sorted(maps.Keys(imageTools))...); err != nil {
		say("images are not made: %v", err)
		_, err := tools.envoy(ctx)
		return err
	}
	_, err = tools.makeImages(ctx)
	return err
}

// lockFile waits for a lock that the kernel gives back when its holder ends,
// however it ends.
func lockFile(path string, waiting func()) (func(), error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		waiting()
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
			file.Close()
			return nil, err
		}
	}
	return func() { file.Close() }, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// tail returns the last lines of a text.
func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
