package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

// imageIDNote gives one pod a form of its own.
const imageIDNote = "testbed.glooistio.io/image-id"

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

// writeKwokConfig fills the table of images and nodes into kwok's stages.
func (v *supervisor) writeKwokConfig(form string) error {
	known, err := v.table.template()
	if err != nil {
		return err
	}
	archs := map[string]string{}
	for n := range v.options.Nodes {
		archs[nodeName(n+1)] = v.options.arch(n + 1)
	}
	nodes, err := json.Marshal(archs)
	if err != nil {
		return err
	}
	config := kwokConfig
	for mark, text := range map[string]string{"@KNOWN@": known, "@NODES@": string(nodes), "@FORM@": form} {
		config = bytes.ReplaceAll(config, []byte(mark), []byte(text))
	}
	v.form = form
	return os.WriteFile(v.state.path("kwok.yaml"), config, 0o644)
}

// imageIDs is the command that changes the form for pods that are there and
// for those to come.
func imageIDs(ctx context.Context, args []string) error {
	if len(args) != 1 || !slices.Contains(imageForms, args[0]) {
		return fmt.Errorf("usage: image-ids %s", strings.Join(imageForms, "|"))
	}
	answer, err := control(ctx, http.MethodPost, "/image-ids?"+url.Values{"form": args}.Encode())
	if err == nil {
		say("%s", strings.TrimSpace(answer))
	}
	return err
}

func (v *supervisor) serveImageIDs(w http.ResponseWriter, r *http.Request) {
	changed, err := v.changeImageIDs(r.Context(), r.URL.Query().Get("form"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, "%d pods changed\n", changed)
}

// changeImageIDs starts kwok anew, which reads its stages once, and rewrites
// what it has said of the pods that are there.
func (v *supervisor) changeImageIDs(ctx context.Context, form string) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if form == v.form {
		return 0, nil
	}
	if err := v.writeKwokConfig(form); err != nil {
		return 0, err
	}
	v.kwok.replaced.Store(true)
	v.kwok.stop(endGrace)
	var pods []statusOf
	_, err := list(ctx, v.api, "/api/v1/pods", jsonType, func(p statusOf) { pods = append(pods, p) })
	if err := errors.Join(err, v.startKwok(lastAddress(pods))); err != nil {
		return 0, err
	}
	ids := map[string]map[string]string{}
	for _, arch := range nodeArchs {
		ids[arch] = v.table.ids(arch, form)
	}
	changed := 0
	for _, p := range pods {
		did, err := v.rewrite(ctx, p, ids[v.options.archOf(p.Spec.NodeName)])
		if err != nil {
			return changed, err
		}
		if did {
			changed++
		}
	}
	return changed, nil
}

// lastAddress is the highest that a pod of kwok has. A kwok that starts does
// not know of addresses in use: it gives away those that follow.
func lastAddress(pods []statusOf) netip.Addr {
	last := firstPodAddress
	for _, p := range pods {
		text, _ := p.Status["podIP"].(string)
		if ip, err := netip.ParseAddr(text); err == nil && kwokNetwork.Contains(ip) && last.Less(ip) {
			last = ip
		}
	}
	return last
}

// statusOf is a pod with the statuses of its containers as they are: a patch
// replaces these lists as a whole.
type statusOf struct {
	Metadata struct {
		Name            string            `json:"name"`
		Namespace       string            `json:"namespace"`
		ResourceVersion string            `json:"resourceVersion"`
		Annotations     map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		NodeName string `json:"nodeName"`
	} `json:"spec"`
	Status map[string]any `json:"status"`
}

// rewrite changes the image IDs of one pod, unless it has a form of its own.
func (v *supervisor) rewrite(ctx context.Context, p statusOf, ids map[string]string) (bool, error) {
	path := "/api/v1/namespaces/" + p.Metadata.Namespace + "/pods/" + p.Metadata.Name
	for {
		change := newImageIDs(p, ids)
		if change == nil {
			return false, nil
		}
		err := v.api.patch(ctx, path+"/status", map[string]any{
			"metadata": map[string]any{"resourceVersion": p.Metadata.ResourceVersion}, "status": change,
		})
		if hasCode(err, http.StatusNotFound) {
			return false, nil
		}
		if !hasCode(err, http.StatusConflict) {
			return err == nil, err
		}
		p = statusOf{}
		if err := v.api.get(ctx, path, jsonType, &p); err != nil {
			return false, err
		}
	}
}

var tagBeforeDigest = regexp.MustCompile(`:[^:/@]+@`)

// newImageIDs are the lists of statuses with other image IDs in them; nil if
// they are right.
func newImageIDs(p statusOf, ids map[string]string) map[string]any {
	if p.Metadata.Annotations[imageIDNote] != "" {
		return nil
	}
	change := map[string]any{}
	for _, kind := range []string{"initContainerStatuses", "containerStatuses"} {
		statuses, _ := p.Status[kind].([]any)
		for _, status := range statuses {
			status, _ := status.(map[string]any)
			image, _ := status["image"].(string)
			id := ids[tagBeforeDigest.ReplaceAllString(image, "@")]
			if was, _ := status["imageID"].(string); id == "" || was == "" || was == id {
				continue
			}
			status["imageID"] = id
			change[kind] = statuses
		}
	}
	if len(change) == 0 {
		return nil
	}
	return change
}
