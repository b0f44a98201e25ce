package main

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// What the images depend on besides the programs in them.
//
//go:embed forge.go images.go imagetable.go ociindex.go releases.go
var imageSources embed.FS

// imageTools are what images are made with, and the Debian packages of it.
var imageTools = map[string]string{
	"umoci": "umoci", "skopeo": "skopeo", registryProgram: "docker-registry",
	crossCompiler: "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
}

// missingTools says what to install.
func missingTools(tools ...string) error {
	var missing, packages []string
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			missing, packages = append(missing, tool), append(packages, imageTools[tool])
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("%s not installed (Debian: apt-get install %s)",
		strings.Join(missing, ", "), strings.Join(packages, " "))
}

// imageStore is the directory of the finished images. Its name changes with
// all that is in them.
func (t *toolbox) imageStore() (string, error) {
	revision, err := t.revision()
	if err != nil {
		return "", err
	}
	if err := t.askGo(); err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintln(sum, envoyVersion)
	for _, p := range append(programs(revision), imagePrograms(revision)...) {
		if p.module != "istio" && p.module != "istio-agent" {
			continue
		}
		key, err := p.key(filepath.Join(t.source, "tools", p.module), t.goVersion)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, p.name, key)
	}
	err = fs.WalkDir(imageSources, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		source, err := imageSources.ReadFile(name)
		sum.Write(source)
		return err
	})
	return filepath.Join(t.cache, "images", hex.EncodeToString(sum.Sum(nil))[:12]), err
}

// makeImages returns the directory of the images, after making them if need be.
func (t *toolbox) makeImages(ctx context.Context) (string, error) {
	store, err := t.imageStore()
	if err != nil || exists(store) {
		return store, err
	}
	if err := missingTools(slices.Sorted(maps.Keys(imageTools))...); err != nil {
		return "", fmt.Errorf("no images: %w", err)
	}
	all := map[string]string{}
	for _, which := range []func(string) []program{programs, imagePrograms} {
		found, err := t.all(ctx, which)
		if err != nil {
			return "", err
		}
		maps.Copy(all, found)
	}
	if all["envoy"], err = t.envoy(ctx); err != nil {
		return "", err
	}
	return store, t.fillStore(ctx, store, all)
}

// fillStore makes the images of these programs; half-made ones never have the
// final name.
func (t *toolbox) fillStore(ctx context.Context, store string, all map[string]string) error {
	unlock, err := lockFile(filepath.Join(t.cache, "build.lock"), func() {
		say("waiting for another build in %s …", t.cache)
	})
	if err != nil {
		return err
	}
	defer unlock()
	if exists(store) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(store), 0o755); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(store), ".build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	say("making images (about 3 min, once) …")
	start := time.Now()
	b := &imageBuilder{programs: all, dir: temp, made: map[string]string{}, spawner: newSpawner()}
	defer b.spawner.stopAll()
	if err := b.build(ctx); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Join(temp, "store"), 0o755); err != nil {
		return err
	}
	say("  images done in %s", time.Since(start).Round(time.Second))
	return os.Rename(filepath.Join(temp, "store"), store)
}

// addImages lets a bed have the images, if they are made and can be served.
// They are not waited for: most tests need none.
func (t *toolbox) addImages(ctx context.Context, wanted *options) error {
	store, err := t.imageStore()
	if err == nil && !exists(store) {
		err = errors.New("none made yet: scripts/testbed images")
	}
	if err == nil {
		err = missingTools(registryProgram)
	}
	if err != nil {
		say("no images and no registry: %v", err)
		return nil
	}
	found, err := t.all(ctx, func(revision string) []program {
		return []program{pilot(istioVersion, revision, native)}
	})
	if err != nil {
		return err
	}
	maps.Copy(wanted.Programs, found)
	wanted.Images = store
	wanted.Programs[registryProgram], err = exec.LookPath(registryProgram)
	return err
}
