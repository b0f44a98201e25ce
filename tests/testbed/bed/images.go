package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"time"
)

// baseFile is in the lowest layer of every image.
const baseFile = "os-release"

// A layer is what one call of umoci adds to an image.
type layer struct {
	source, target string
	flags          []string
}

// imageBuilder makes images with umoci, and pushes them with skopeo.
type imageBuilder struct {
	programs map[string]string
	dir      string
	made     map[string]string // name in the layout, by what is in it
	spawner  *spawner
	address  string // of the registry
}

// build leaves the storage of a registry and the table of its images in the
// directory "store".
func (b *imageBuilder) build(ctx context.Context) error {
	store := filepath.Join(b.dir, "store")
	if err := os.MkdirAll(store, 0o755); err != nil {
		return err
	}
	for _, base := range []string{baseFile, baseFile + "-zstd"} {
		if err := os.WriteFile(filepath.Join(b.dir, base), []byte("ID=testbed\nVARIANT="+base+"\n"), 0o644); err != nil {
			return err
		}
	}
	var err error
	if b.address, err = freeAddress(); err != nil {
		return err
	}
	registry, err := startRegistry(b.spawner, registryConfig{
		name: registryProgram, dir: b.dir, storage: filepath.Join(store, "registry"), address: b.address,
	})
	if err != nil {
		return err
	}
	if err := awaitRegistry(ctx, registry, b.address); err != nil {
		return err
	}
	table := imageTable{}
	for _, r := range releases() {
		for _, repo := range imageNames() {
			if repo == r.without {
				continue
			}
			if err := b.release(ctx, r, repo, table); err != nil {
				return fmt.Errorf("%s:%s: %w", repo, r.tag, err)
			}
		}
	}
	registry.stop(time.Second)
	return table.save(filepath.Join(store, tableFile))
}

func imageNames() []string { return slices.Sorted(maps.Keys(imageFiles)) }

// release makes one image for its architectures, and pushes it under its tags.
func (b *imageBuilder) release(ctx context.Context, r release, repo string, table imageTable) error {
	layout := filepath.Join(b.dir, repo)
	if !exists(layout) {
		if err := runTool(ctx, "umoci", "init", "--layout", layout); err != nil {
			return err
		}
	}
	names := map[string]string{}
	for _, arch := range r.archs {
		layers, err := b.layers(r, repo, arch)
		if err != nil {
			return err
		}
		if names[arch], err = b.image(ctx, layout, imageFiles[repo][0], arch, layers); err != nil {
			return err
		}
	}
	name := names[r.archs[0]]
	if !r.bare {
		var err error
		if name, err = writeIndex(layout, r.archs, names); err != nil {
			return err
		}
	}
	for _, tag := range r.tags() {
		if err := b.push(ctx, r, layout+":"+name, imageHub+"/"+repo+":"+tag); err != nil {
			return err
		}
		entry, err := readEntry(ctx, b.address, imageHub+"/"+repo, tag)
		if err != nil {
			return err
		}
		table[imageHub+"/"+repo+":"+tag] = entry
	}
	return nil
}

// layers are those of one image for one architecture.
func (b *imageBuilder) layers(r release, repo, arch string) ([]layer, error) {
	base := filepath.Join(b.dir, baseFile)
	if r.zstd {
		base += "-zstd"
	}
	layers := []layer{{source: base, target: "/etc/" + baseFile}}
	for _, file := range imageFiles[repo] {
		source, err := b.source(r, file, arch)
		if err != nil {
			return nil, err
		}
		if r.layered {
			source = b.programs[r.program(file, arch, plain)]
		}
		layers = append(layers, layer{source: source, target: file})
	}
	if !r.layered {
		return layers, nil
	}
	behind, err := b.behindLinks(r, repo, arch)
	return append(layers, behind...), err
}

// behindLinks hides what is there already, and puts the real programs behind a
// symbolic link to a hard link. pilot gets whiteouts, the others an opaque directory.
func (b *imageBuilder) behindLinks(r release, repo, arch string) ([]layer, error) {
	var layers []layer
	hidden, links := filepath.Join(b.dir, "behind", repo, arch), map[string]string{}
	if err := os.MkdirAll(hidden, 0o755); err != nil {
		return nil, err
	}
	for _, file := range imageFiles[repo] {
		source, err := b.source(r, file, arch)
		if err != nil {
			return nil, err
		}
		first := filepath.Join(hidden, path.Base(file)+".real")
		if err := copyFile(source, first, nil); err != nil {
			return nil, err
		}
		if err := os.Link(first, filepath.Join(hidden, path.Base(file))); err != nil {
			return nil, err
		}
		if repo == "pilot" {
			layers = append(layers, layer{target: file, flags: []string{"--whiteout"}})
		}
		dir := links[path.Dir(file)]
		if dir == "" {
			dir = filepath.Join(b.dir, "links", repo, arch, path.Base(path.Dir(path.Dir(file))))
			links[path.Dir(file)] = dir
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return nil, err
			}
		}
		// One relative, through the root; one absolute.
		target := "../../../opt/istio/" + path.Base(file)
		if repo != "pilot" {
			target = "/opt/istio/" + path.Base(file)
		}
		if err := os.Symlink(target, filepath.Join(dir, path.Base(file))); err != nil {
			return nil, err
		}
	}
	layers = append(layers, layer{source: hidden, target: "/opt/istio"})
	for _, dir := range slices.Sorted(maps.Keys(links)) {
		l := layer{source: links[dir], target: dir}
		if repo != "pilot" {
			l.flags = []string{"--opaque"}
		}
		layers = append(layers, l)
	}
	return layers, nil
}

// source is the file of a program: the build, or a copy that is not the same.
func (b *imageBuilder) source(r release, file, arch string) (string, error) {
	c := r.content(file)
	name := r.program(file, arch, c.flavor)
	source := b.programs[name]
	if source == "" {
		return "", fmt.Errorf("there is no program %s", name)
	}
	if c.change == nil && !r.zstd {
		return source, nil
	}
	changed := filepath.Join(b.dir, "changed", r.tag, arch, path.Base(file))
	if exists(changed) {
		return changed, nil
	}
	if err := os.MkdirAll(filepath.Dir(changed), 0o755); err != nil {
		return "", err
	}
	return changed, copyFile(source, changed, c.change)
}

// image makes one image of the layout, unless one with the same in it is there.
func (b *imageBuilder) image(ctx context.Context, layout, entrypoint, arch string, layers []layer) (string, error) {
	key := fmt.Sprint(layout, arch, layers)
	if name, ok := b.made[key]; ok {
		return name, nil
	}
	name := fmt.Sprintf("%s-%d", arch, len(b.made))
	at := layout + ":" + name
	steps := [][]string{
		{"new", "--image", at},
		{"config", "--image", at, "--os", "linux", "--architecture", arch, "--config.entrypoint", entrypoint},
	}
	for _, l := range layers {
		step := append([]string{"insert", "--image", at}, l.flags...)
		if os.Geteuid() != 0 {
			step = append(step, "--rootless")
		}
		if l.source != "" {
			step = append(step, l.source)
		}
		steps = append(steps, append(step, l.target))
	}
	for _, step := range steps {
		if err := runTool(ctx, "umoci", step...); err != nil {
			return "", err
		}
	}
	b.made[key] = name
	return name, nil
}

// push copies an image of the layout to the registry. skopeo compresses anew
// only what is not compressed: so layers on their way to zstd go through a
// directory. And it takes a blob that it knows to be there, however compressed:
// so such images have no layer in common with others.
func (b *imageBuilder) push(ctx context.Context, r release, layout, to string) error {
	from := "oci:" + layout
	args := []string{"copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false"}
	if !r.bare {
		args = append(args, "--all")
	}
	switch {
	case r.docker:
		args = append(args, "--format", "v2s2")
	case r.zstd:
		dir, err := os.MkdirTemp(b.dir, "plain-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if err := runTool(ctx, "skopeo", "copy", "--quiet", "--insecure-policy", "--all", "--dest-decompress", from, "dir:"+dir); err != nil {
			return err
		}
		from = "dir:" + dir
		args = append(args, "--dest-compress-format", "zstd")
	}
	return runTool(ctx, "skopeo", append(args, from, "docker://"+b.address+"/"+to)...)
}

// copyFile copies a program, changed or not. The time of the copy makes its
// layer another one in any case.
func copyFile(from, to string, change func([]byte) ([]byte, error)) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	data, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	if change != nil {
		if data, err = change(data); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(from), err)
		}
	}
	return os.WriteFile(to, data, 0o755)
}

func runTool(ctx context.Context, name string, args ...string) error {
	output, err := exec.CommandContext(ctx, "nice", append([]string{"-n", "10", name}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, args[0], err, tail(string(output), 8))
	}
	return nil
}
