package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// The forms in which container runtimes say what runs.
const (
	formIndex    = "index"           // repository@sha256:INDEX, or of the manifest where there is no index
	formPlatform = "platform"        // repository@sha256:MANIFEST of the node's architecture
	formConfig   = "config"          // sha256:CONFIG
	formBare     = "bare"            // CONFIG, nothing else
	formDocker   = "docker-pullable" // docker-pullable://repository@sha256:INDEX
)

var imageForms = []string{formIndex, formPlatform, formConfig, formBare, formDocker}

// tableFile says in the cache what the images are.
const tableFile = "images.json"

// imageTable has what the registry answered for each image, by repository:tag.
type imageTable map[string]imageEntry

type imageEntry struct {
	Index     string                   `json:"index"` // what the tag names
	Platforms map[string]platformImage `json:"platforms"`
}

type platformImage struct {
	Manifest string `json:"manifest"`
	Config   string `json:"config"`
}

func readTable(store string) (imageTable, error) {
	table := imageTable{}
	if store == "" {
		return table, nil
	}
	data, err := os.ReadFile(filepath.Join(store, tableFile))
	if err != nil {
		return nil, err
	}
	return table, json.Unmarshal(data, &table)
}

func (t imageTable) save(file string) error {
	data, err := json.MarshalIndent(t, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}

// ids are the image IDs of every image by its names: repository:tag and
// repository@digest on both registries.
func (t imageTable) ids(arch, form string) map[string]string {
	ids := map[string]string{}
	for name, entry := range t {
		platform, ok := entry.Platforms[arch]
		if !ok {
			continue
		}
		repository, _, _ := strings.Cut(name, ":")
		for _, host := range []string{registryAddress, lockedAddress} {
			at := host + "/" + repository
			id := map[string]string{
				formIndex: at + "@" + entry.Index, formPlatform: at + "@" + platform.Manifest, formConfig: platform.Config,
				formBare: strings.TrimPrefix(platform.Config, "sha256:"), formDocker: "docker-pullable://" + at + "@" + entry.Index,
			}[form]
			ids[host+"/"+name] = id
			ids[at+"@"+entry.Index] = id
		}
	}
	return ids
}

// template are the image IDs for kwok: what sets $known, by $arch and $form.
func (t imageTable) template() (string, error) {
	var out strings.Builder
	for _, arch := range nodeArchs {
		for _, form := range imageForms {
			ids, err := json.Marshal(t.ids(arch, form))
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&out, "{{ if and (eq $arch %q) (eq $form %q) }}{{ $known = fromJson `%s` }}{{ end }}", arch, form, ids)
		}
	}
	return out.String(), nil
}

// readEntry asks a registry for one image.
func readEntry(ctx context.Context, address, repository, tag string) (imageEntry, error) {
	base := "http://" + address + "/v2/" + repository
	var top struct {
		Manifests []ociDescriptor `json:"manifests"`
		Config    ociDescriptor   `json:"config"`
	}
	digest, err := fetchJSON(ctx, base+"/manifests/"+tag, &top)
	if err != nil {
		return imageEntry{}, err
	}
	entry := imageEntry{Index: digest, Platforms: map[string]platformImage{}}
	if top.Config.Digest != "" {
		var config ociPlatform
		if _, err := fetchJSON(ctx, base+"/blobs/"+top.Config.Digest, &config); err != nil {
			return imageEntry{}, err
		}
		entry.Platforms[config.Architecture] = platformImage{Manifest: digest, Config: top.Config.Digest}
	}
	for _, d := range top.Manifests {
		var manifest struct {
			Config ociDescriptor `json:"config"`
		}
		if _, err := fetchJSON(ctx, base+"/manifests/"+d.Digest, &manifest); err != nil {
			return imageEntry{}, err
		}
		entry.Platforms[d.Platform.Architecture] = platformImage{Manifest: d.Digest, Config: manifest.Config.Digest}
	}
	return entry, nil
}

// fetchJSON reads a manifest or a configuration, and returns its digest.
func fetchJSON(ctx context.Context, address string, into any) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	for _, media := range []string{
		ociIndexMedia, "application/vnd.oci.image.manifest.v1+json",
		"application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.docker.distribution.manifest.v2+json",
	} {
		req.Header.Add("Accept", media)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", address, resp.Status)
	}
	digest := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(digest[:]), json.Unmarshal(data, into)
}
