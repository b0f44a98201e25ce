package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// A Go toolchain. Its own files say what a build with it holds.
type toolchain struct {
	version string // go1.26.8
	minor   int    // 26
	root    string
}

func newToolchain(root string) (*toolchain, error) {
	output, err := exec.Command(filepath.Join(root, "bin", "go"), "env", "GOVERSION").Output()
	if err != nil {
		return nil, fmt.Errorf("%s/bin/go env: %w", root, err)
	}
	version := strings.TrimSpace(string(output))
	parts := strings.Split(version, ".")
	if len(parts) < 2 {
		return nil, fmt.Errorf("%s: no Go version in %q", root, version)
	}
	minor, err := strconv.Atoi(parts[1])
	if err != nil {
		return nil, fmt.Errorf("%s: no Go version in %q", root, version)
	}
	return &toolchain{version: version, minor: minor, root: root}, nil
}

func installedToolchain() (*toolchain, error) {
	output, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("no go in PATH: %w", err)
	}
	return newToolchain(strings.TrimSpace(string(output)))
}

// resolve is the module version that a value of GOFIPS140 stands for, by the
// toolchain's own aliases; "" if it has no such module.
func (t *toolchain) resolve(value string) string {
	if value == "latest" && t.minor >= 24 {
		return value
	}
	dir := filepath.Join(t.root, "lib", "fips140")
	if alias, err := os.ReadFile(filepath.Join(dir, value+".txt")); err == nil {
		value = strings.TrimSpace(string(alias))
	}
	if _, err := os.Stat(filepath.Join(dir, value+".zip")); err != nil {
		return ""
	}
	return value
}

func (t *toolchain) syso(arch string) (string, bool) {
	path := filepath.Join(t.root, "src", "crypto", "internal", "boring", "syso", "goboringcrypto_linux_"+arch+".syso")
	_, err := os.Stat(path)
	return path, err == nil
}

// A build for one environment of the go command.
type goBuild struct {
	chain *toolchain
	env   []string
	args  []string // after -o OUTPUT
}

// run builds offline, and never touches the caches of the person who runs it.
func (b goBuild) run(programs, cache, output string) error {
	args := append([]string{"build", "-p", strconv.Itoa(min(2, runtime.NumCPU())), "-o", output}, b.args...)
	command := exec.Command(filepath.Join(b.chain.root, "bin", "go"), args...)
	command.Dir = programs
	command.Env = append(cleanEnv(), "GOROOT="+b.chain.root, "GOPROXY=off", "GOFLAGS=-mod=mod", "GOTOOLCHAIN=local",
		"GOWORK=off", "GOENV=off", "GOGC=400", "GOCACHE="+filepath.Join(cache, "go-build"), "GOMODCACHE="+filepath.Join(cache, "go-mod"))
	command.Env = append(command.Env, b.env...)
	if text, err := command.CombinedOutput(); err != nil {
		return errors.New(lastLine(string(text), err))
	}
	return nil
}

// cleanEnv is the environment without what would change a Go build.
func cleanEnv() []string {
	var env []string
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "GO") || strings.HasPrefix(name, "CGO_") || name == "CC" {
			continue
		}
		env = append(env, pair)
	}
	return env
}

// lastLine is what a failed command said, in one line.
func lastLine(text string, err error) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	if last == "" {
		return err.Error()
	}
	return strings.ReplaceAll(last, "\t", " ")
}
