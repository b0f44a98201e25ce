package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
)

// imageIDNote gives one pod a form of its own.
const imageIDNote = "testbed.glooistio.io/image-id"

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
