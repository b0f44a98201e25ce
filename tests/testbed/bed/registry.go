package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	registryProgram = "docker-registry"
	registryAddress = "127.0.0.1:5000"
	lockedAddress   = "127.0.0.1:5001" // the same images, for those with a password

	registryUser     = "testbed"
	registryPassword = "open-sesame"
	// bcrypt of the password, at the lowest cost: it is no secret.
	registryHtpasswd = registryUser + ":$2a$04$KFqqqt/qMkxiEWBMXW8OwuDwMMMBAJvOaBbhKYk8BnzwfiYYJyxlC\n"

	envRegistry       = "GLOOISTIO_REGISTRY"
	envRegistryLocked = "GLOOISTIO_REGISTRY_LOCKED"
)

// registryConfig is one Debian docker-registry.
type registryConfig struct {
	name    string // of its log and its configuration
	dir     string // of both
	storage string
	address string
	locked  bool
}

// args writes the configuration and returns the arguments that name it.
func (c registryConfig) args() ([]string, error) {
	config := map[string]any{
		"version": "0.1",
		"log":     map[string]any{"level": "error", "accesslog": map[string]any{"disabled": true}},
		"storage": map[string]any{
			"filesystem": map[string]any{"rootdirectory": c.storage}, "delete": map[string]any{"enabled": true},
		},
		"http": map[string]any{"addr": c.address, "secret": "testbed"},
	}
	if c.locked {
		file := filepath.Join(c.dir, "htpasswd")
		if err := os.WriteFile(file, []byte(registryHtpasswd), 0o644); err != nil {
			return nil, err
		}
		config["auth"] = map[string]any{"htpasswd": map[string]any{"realm": "testbed", "path": file}}
	}
	// JSON is YAML.
	data, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(c.dir, c.name+".yml")
	return []string{"serve", file}, os.WriteFile(file, data, 0o644)
}

func startRegistry(s *spawner, c registryConfig) (*process, error) {
	program, err := exec.LookPath(registryProgram)
	if err != nil {
		return nil, err
	}
	args, err := c.args()
	if err != nil {
		return nil, err
	}
	return s.start(c.name, filepath.Join(c.dir, c.name+".log"), c.dir, nil, program, args...)
}

// awaitRegistry waits for an answer; a locked registry refuses, and is there.
func awaitRegistry(ctx context.Context, p *process, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	err := await(ctx, "answer of the registry", p.done, func() bool {
		resp, err := http.Get("http://" + address + "/v2/")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return true
	})
	if err == nil {
		return nil
	}
	select {
	case <-p.done:
		return p.err
	default:
		return err
	}
}

// linkStorage makes a storage that can be written to of the images in the
// cache: the blobs are links, since nothing ever writes to one that is there.
func linkStorage(store, to string) error {
	from, err := filepath.Abs(filepath.Join(store, "registry"))
	if err != nil {
		return err
	}
	return filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		at := filepath.Join(to, strings.TrimPrefix(name, from))
		switch {
		case entry.IsDir():
			if entry.Name() == "_uploads" {
				return filepath.SkipDir
			}
			return os.MkdirAll(at, 0o755)
		case entry.Name() == "data":
			return os.Symlink(name, at)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(at, data, 0o644)
	})
}

// startRegistries starts the two registries of the bed, if it has images.
func (v *supervisor) startRegistries() error {
	if v.options.Images == "" {
		return nil
	}
	v.step("starting docker-registry on %s, and with a password on %s", registryAddress, lockedAddress)
	storage := v.state.path("registry")
	if err := linkStorage(v.options.Images, storage); err != nil {
		return err
	}
	for _, c := range []registryConfig{
		{name: registryProgram, address: registryAddress}, {name: registryProgram + "-locked", address: lockedAddress, locked: true},
	} {
		c.dir, c.storage = v.state.path(), storage
		args, err := c.args()
		if err != nil {
			return err
		}
		if _, err := v.run(component{name: c.name, program: registryProgram, args: args}); err != nil {
			return err
		}
	}
	return nil
}

// serveImages is the command `registry`: the registries without a cluster, on
// the machine's own loopback, while another command runs.
func serveImages(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return errors.New("usage: registry -- CMD [ARG...]")
	}
	tools, err := newToolbox()
	if err != nil {
		return err
	}
	if err := missingTools(registryProgram); err != nil {
		return err
	}
	store, err := tools.makeImages(ctx)
	if err != nil {
		return err
	}
	code, err := withRegistries(ctx, store, args)
	if err == nil && code != 0 {
		os.Exit(code)
	}
	return err
}

func withRegistries(ctx context.Context, store string, args []string) (int, error) {
	dir, err := os.MkdirTemp("", "glooistio-registry-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	storage := filepath.Join(dir, "registry")
	if err := linkStorage(store, storage); err != nil {
		return 0, err
	}
	s := newSpawner()
	defer s.stopAll()
	env := os.Environ()
	for _, c := range []registryConfig{
		{name: envRegistry, address: registryAddress}, {name: envRegistryLocked, address: lockedAddress, locked: true},
	} {
		c.dir, c.storage = dir, storage
		if c.address, err = preferred(c.address); err != nil {
			return 0, err
		}
		p, err := startRegistry(s, c)
		if err != nil {
			return 0, err
		}
		if err := awaitRegistry(ctx, p, c.address); err != nil {
			return 0, err
		}
		env = append(env, c.name+"="+c.address)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// preferred is the address if it is free, else another port.
func preferred(address string) (string, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return freeAddress()
	}
	return address, listener.Close()
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// images is the command that makes them, and lists what there is.
func images(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("images: cannot use %q", args)
	}
	tools, err := newToolbox()
	if err != nil {
		return err
	}
	store, err := tools.makeImages(ctx)
	if err != nil {
		return err
	}
	table, err := readTable(store)
	if err != nil {
		return err
	}
	return listImages(os.Stdout, table)
}

func listImages(out io.Writer, table imageTable) error {
	for _, r := range releases() {
		fmt.Fprintf(out, "%s, %s: %s\n", r.tags()[0], r.tags()[1], r.says)
		for _, repo := range imageNames() {
			name := imageHub + "/" + repo + ":" + r.tag
			if entry, ok := table[name]; ok {
				fmt.Fprintf(out, "  %s  %s/%s\n", entry.Index, registryAddress, name)
			}
		}
	}
	return nil
}
