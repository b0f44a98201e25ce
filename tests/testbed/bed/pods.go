package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"strings"
	"sync"
	"time"
)

// pod is what the bed needs to know of one.
type pod struct {
	Metadata struct {
		Name              string            `json:"name"`
		Namespace         string            `json:"namespace"`
		UID               string            `json:"uid"`
		Labels            map[string]string `json:"labels"`
		Annotations       map[string]string `json:"annotations"`
		DeletionTimestamp string            `json:"deletionTimestamp"`
	} `json:"metadata"`
	Spec struct {
		ServiceAccountName string      `json:"serviceAccountName"`
		NodeName           string      `json:"nodeName"`
		InitContainers     []container `json:"initContainers"`
		Containers         []container `json:"containers"`
	} `json:"spec"`
	Status struct {
		Phase                 string            `json:"phase"`
		PodIP                 string            `json:"podIP"`
		InitContainerStatuses []containerStatus `json:"initContainerStatuses"`
		ContainerStatuses     []containerStatus `json:"containerStatuses"`
	} `json:"status"`
}

type container struct {
	Name  string   `json:"name"`
	Image string   `json:"image"`
	Args  []string `json:"args"`
	Env   []envVar `json:"env"`
}

type envVar struct {
	Name      string `json:"name"`
	Value     string `json:"value"`
	ValueFrom *struct {
		FieldRef *struct {
			FieldPath string `json:"fieldPath"`
		} `json:"fieldRef"`
	} `json:"valueFrom"`
}

type containerStatus struct {
	Name  string `json:"name"`
	Image string `json:"image"`
	State struct {
		Waiting *struct {
			Reason  string `json:"reason"`
			Message string `json:"message"`
		} `json:"waiting"`
	} `json:"state"`
}

func (p *pod) path() string {
	return "/api/v1/namespaces/" + p.Metadata.Namespace + "/pods/" + p.Metadata.Name
}

func (p *pod) key() string { return p.Metadata.Namespace + "/" + p.Metadata.Name }

func (p *pod) going() bool { return p.Metadata.DeletionTimestamp != "" }

// proxyImage is the image of the sidecar, in whichever list it stands, or of a
// gateway; empty for a pod without a proxy.
func (p *pod) proxyImage() string {
	for _, list := range [][]container{p.Spec.InitContainers, p.Spec.Containers} {
		for _, c := range list {
			if c.Name == "istio-proxy" {
				return c.Image
			}
		}
	}
	return ""
}

// place is where a pod can be found.
type place struct {
	IP    string `json:"ip"`
	Log   string `json:"log"`
	proxy string // image of its proxy
	phase string
}

// podIndex knows every pod by its name and by its address. It is fed by one
// watch, and read for every connection that the stand-in answers.
type podIndex struct {
	mu     sync.RWMutex
	byName map[string]*place
	byIP   map[string]*place
}

func newPodIndex() *podIndex {
	return &podIndex{byName: map[string]*place{}, byIP: map[string]*place{}}
}

func (x *podIndex) put(p *pod) {
	x.mu.Lock()
	defer x.mu.Unlock()
	where := x.byName[p.key()]
	if where == nil {
		where = &place{}
		x.byName[p.key()] = where
	}
	if x.byIP[where.IP] == where {
		delete(x.byIP, where.IP)
	}
	where.IP, where.proxy, where.phase = p.Status.PodIP, p.proxyImage(), p.Status.Phase
	if where.IP != "" && where.IP != nodeAddress {
		x.byIP[where.IP] = where
	}
}

func (x *podIndex) remove(p *pod) {
	x.mu.Lock()
	defer x.mu.Unlock()
	where := x.byName[p.key()]
	delete(x.byName, p.key())
	// The address may have gone to another pod already.
	if where != nil && x.byIP[where.IP] == where {
		delete(x.byIP, where.IP)
	}
}

func (x *podIndex) setLog(p *pod, file string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if where := x.byName[p.key()]; where != nil {
		where.Log = file
	}
}

func (x *podIndex) named(namespace, name string) (place, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if where := x.byName[namespace+"/"+name]; where != nil {
		return *where, true
	}
	return place{}, false
}

// at returns the proxy image of the pod at an address.
func (x *podIndex) at(ip string) (string, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if where := x.byIP[ip]; where != nil {
		return where.proxy, true
	}
	return "", false
}

// running counts the pods in that phase in namespaces of a name that begins so.
func (x *podIndex) running(prefix string) int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	count := 0
	for name, where := range x.byName {
		if strings.HasPrefix(name, prefix) && where.phase == "Running" {
			count++
		}
	}
	return count
}

// podWatcher follows all pods and hands them to those who act on them.
type podWatcher struct {
	api      *api
	index    *podIndex
	istiods  *istiods
	reported map[string]bool // pod UID and reason of events already sent
	seen     map[string]*pod // by UID, for what vanished while nobody watched
}

func (w *podWatcher) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := w.once(ctx); err != nil && ctx.Err() == nil {
			log.Printf("pods: %v; listing again", err)
			time.Sleep(100 * time.Millisecond)
		}
	}
}

func (w *podWatcher) once(ctx context.Context) error {
	old := w.seen
	w.seen = map[string]*pod{}
	version, err := list(ctx, w.api, "/api/v1/pods", jsonType, func(p pod) { w.changed(ctx, &p) })
	if err != nil {
		w.seen = old
		return err
	}
	for uid, p := range old {
		if w.seen[uid] == nil {
			w.gone(p)
		}
	}
	return w.api.watch(ctx, "/api/v1/pods", version, func(kind string, object []byte) {
		var p pod
		if err := json.Unmarshal(object, &p); err != nil {
			log.Printf("pods: %v", err)
			return
		}
		if kind == "DELETED" {
			w.gone(&p)
			return
		}
		w.changed(ctx, &p)
	})
}

func (w *podWatcher) changed(ctx context.Context, p *pod) {
	w.seen[p.Metadata.UID] = p
	w.index.put(p)
	w.istiods.changed(ctx, p)
	w.explain(ctx, p)
}

func (w *podWatcher) gone(p *pod) {
	delete(w.seen, p.Metadata.UID)
	w.index.remove(p)
	w.istiods.gone(p)
}

// explain sends the events that a kubelet would send for a container that
// waits: a simulated one sets the status only.
func (w *podWatcher) explain(ctx context.Context, p *pod) {
	for _, status := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
		waiting := status.State.Waiting
		if waiting == nil || w.reported[p.Metadata.UID+waiting.Reason] {
			continue
		}
		reason, message := kubeletEvent(p, &status)
		if reason == "" {
			continue
		}
		w.reported[p.Metadata.UID+waiting.Reason] = true
		go w.sendEvent(ctx, p, reason, message)
	}
}

// kubeletEvent is the reason and the message of the event for a waiting
// container, worded as the kubelet does.
func kubeletEvent(p *pod, status *containerStatus) (string, string) {
	waiting := status.State.Waiting
	switch waiting.Reason {
	case "ErrImagePull":
		return "Failed", "Failed to pull image \"" + status.Image + "\": " + waiting.Message
	case "ImagePullBackOff":
		return "BackOff", "Back-off pulling image \"" + status.Image + "\""
	case "CrashLoopBackOff":
		return "BackOff", "Back-off restarting failed container " + status.Name + " in pod " +
			p.Metadata.Name + "_" + p.Metadata.Namespace + "(" + p.Metadata.UID + ")"
	case "PodInitializing", "ContainerCreating":
		return "", ""
	}
	return "Failed", strings.TrimSuffix("Error: "+waiting.Reason+": "+waiting.Message, ": ")
}

func (w *podWatcher) sendEvent(ctx context.Context, p *pod, reason, message string) {
	now := time.Now().UTC().Format(time.RFC3339)
	event := map[string]any{
		"apiVersion": "v1", "kind": "Event",
		"metadata": map[string]any{"generateName": p.Metadata.Name + ".", "namespace": p.Metadata.Namespace},
		"involvedObject": map[string]any{
			"apiVersion": "v1", "kind": "Pod", "name": p.Metadata.Name,
			"namespace": p.Metadata.Namespace, "uid": p.Metadata.UID,
		},
		"reason": reason, "message": message, "type": "Warning", "count": 1,
		"firstTimestamp": now, "lastTimestamp": now,
		"source": map[string]any{"component": "kubelet", "host": p.Spec.NodeName},
	}
	err := w.api.create(ctx, "/api/v1/namespaces/"+p.Metadata.Namespace+"/events", event)
	if err != nil && ctx.Err() == nil && !hasCode(err, http.StatusForbidden) && !hasCode(err, http.StatusNotFound) {
		log.Printf("event for %s: %v", p.key(), err)
	}
}
