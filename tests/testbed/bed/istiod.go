package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	readyNote   = "testbed.glooistio.io/ready"
	crashedNote = "testbed.glooistio.io/crashed"
	waitingNote = "testbed.glooistio.io/waiting"

	// istiod gives back its leases when it is asked to end; without that the
	// next one would wait for them.
	istiodGrace = 5 * time.Second
	maxBackoff  = 10 * time.Second
)

// istiods runs the real pilot-discovery for every pod of istiod, on its
// address. kwok makes the pod ready when the process is.
type istiods struct {
	state    state
	api      *api
	index    *podIndex
	spawner  *spawner
	programs map[string]string

	mu      sync.Mutex
	running map[string]*istiod // by pod UID
	holders map[string]*istiod // by address: the last that had it
}

type istiod struct {
	pod    *pod
	cancel context.CancelFunc
	ended  chan struct{}
}

func newIstiods(s state, a *api, index *podIndex, sp *spawner, paths map[string]string) *istiods {
	return &istiods{
		state: s, api: a, index: index, spawner: sp, programs: paths,
		running: map[string]*istiod{}, holders: map[string]*istiod{},
	}
}

// wanted says whether a pod is one of istiod that should run now.
func wanted(p *pod) bool {
	if p.Metadata.Labels["app"] != "istiod" || p.going() || p.Status.PodIP == "" || len(p.Spec.Containers) == 0 {
		return false
	}
	if p.Metadata.Annotations[waitingNote] != "" {
		return false
	}
	for _, status := range p.Status.ContainerStatuses {
		if w := status.State.Waiting; w != nil && strings.Contains(w.Reason, "Image") {
			return false
		}
	}
	return true
}

func (i *istiods) changed(ctx context.Context, p *pod) {
	if p.going() {
		i.gone(p)
		return
	}
	if !wanted(p) {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.running[p.Metadata.UID] != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	d := &istiod{pod: p, cancel: cancel, ended: make(chan struct{})}
	before := i.holders[p.Status.PodIP]
	i.running[p.Metadata.UID] = d
	i.holders[p.Status.PodIP] = d
	go func() {
		defer close(d.ended)
		if before != nil {
			<-before.ended
		}
		i.keepRunning(ctx, p)
	}()
}

func (i *istiods) gone(p *pod) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if d := i.running[p.Metadata.UID]; d != nil {
		d.cancel()
		delete(i.running, p.Metadata.UID)
	}
}

// idle says whether no process runs any more, not even one that is ending.
func (i *istiods) idle() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	for ip, d := range i.holders {
		select {
		case <-d.ended:
			delete(i.holders, ip)
		default:
			return false
		}
	}
	return true
}

// keepRunning starts istiod again when it ends by itself, as the kubelet does.
func (i *istiods) keepRunning(ctx context.Context, p *pod) {
	backoff := time.Second
	for crashes := 1; ctx.Err() == nil; crashes++ {
		process, err := i.start(p)
		if err == nil {
			err = i.watchOver(ctx, p, process)
		}
		if ctx.Err() != nil {
			return
		}
		log.Printf("istiod %s: %v", p.key(), err)
		i.annotate(ctx, p, map[string]any{readyNote: nil, crashedNote: strconv.Itoa(crashes)})
		select {
		case <-ctx.Done():
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// watchOver tells kwok when istiod is ready, and returns when it has ended.
func (i *istiods) watchOver(ctx context.Context, p *pod, process *process) error {
	url := "http://" + p.Status.PodIP + ":8080/ready"
	err := await(ctx, "answer of istiod", process.done, func() bool { return answersOK(ctx, url) })
	if err == nil {
		log.Printf("istiod %s: ready", p.key())
		i.annotate(ctx, p, map[string]any{readyNote: "true"})
	}
	select {
	case <-ctx.Done():
		process.stop(istiodGrace)
		return nil
	case <-process.done:
		return process.err
	}
}

func answersOK(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (i *istiods) annotate(ctx context.Context, p *pod, notes map[string]any) {
	change := map[string]any{"metadata": map[string]any{"uid": p.Metadata.UID, "annotations": notes}}
	if err := i.api.patch(ctx, p.path(), change); err != nil && ctx.Err() == nil {
		log.Printf("istiod %s: %v", p.key(), err)
	}
}

func (i *istiods) start(p *pod) (*process, error) {
	image := p.Spec.Containers[0].Image
	build := chooseIstiod(image)
	if build.note != "" {
		log.Printf("istiod %s: %s", p.key(), build.note)
	}
	// istiod reads and writes below its working directory.
	home := i.state.path("istiod", p.Metadata.Namespace+"_"+p.Metadata.Name)
	if err := os.MkdirAll(home, 0o755); err != nil {
		return nil, err
	}
	logFile := i.state.path("log", "istiod", p.Metadata.Namespace+"_"+p.Metadata.Name+".log")
	i.index.setLog(p, logFile)
	name := pilotName(build.version, build.flavor)
	log.Printf("istiod %s: %s for %s on %s", p.key(), name, image, p.Status.PodIP)
	return i.spawner.start(name+" "+p.key(), logFile, home, istiodEnv(p),
		i.programs[name], istiodArgs(p, i.state.kubeconfig())...)
}

// istiodArgs are those of the container, then what puts it on its address
// only, so that several revisions can run. The last one of a flag counts.
func istiodArgs(p *pod, kubeconfig string) []string {
	args := slices.Clone(p.Spec.Containers[0].Args)
	if len(args) == 0 {
		args = []string{"discovery"}
	}
	ip := p.Status.PodIP
	return append(args, "--kubeconfig="+kubeconfig,
		"--httpAddr="+ip+":8080", "--httpsAddr="+ip+":15017",
		"--grpcAddr="+ip+":15010", "--secureGRPCAddr="+ip+":15012",
		"--monitoringAddr="+ip+":15014", "--ctrlz_address="+ip)
}

// istiodEnv is the environment that the container would have.
func istiodEnv(p *pod) []string {
	fields := map[string]string{
		"metadata.name": p.Metadata.Name, "metadata.namespace": p.Metadata.Namespace,
		"spec.serviceAccountName": p.Spec.ServiceAccountName, "status.podIP": p.Status.PodIP,
		"spec.nodeName": p.Spec.NodeName,
	}
	env := []string{
		"POD_NAME=" + p.Metadata.Name, "POD_NAMESPACE=" + p.Metadata.Namespace,
		"SERVICE_ACCOUNT=" + p.Spec.ServiceAccountName, "REVISION=default",
		"CLUSTER_ID=Kubernetes", "PILOT_CERT_PROVIDER=istiod",
	}
	for _, v := range p.Spec.Containers[0].Env {
		switch {
		case v.Name == "KUBECONFIG":
			// Names a file of the container.
		case v.ValueFrom == nil:
			env = append(env, v.Name+"="+v.Value)
		case v.ValueFrom.FieldRef != nil:
			if value, ok := fields[v.ValueFrom.FieldRef.FieldPath]; ok {
				env = append(env, v.Name+"="+value)
			}
		}
	}
	return env
}

// istiodBuild is the build that stands for an image.
type istiodBuild struct {
	version string
	flavor  flavor
	note    string // why another version, if so
}

var versionCore = regexp.MustCompile(`^(\d+)\.(\d+)(?:\.(\d+))?`)

// chooseIstiod reads version and flavour from the tag of an image. Of the
// versions there are, the newest that is not newer stands for another one.
func chooseIstiod(image string) istiodBuild {
	if r, ok := releaseOf(image); ok {
		return istiodBuild{version: r.version, flavor: r.content(pilotFile).flavor}
	}
	tag := imageTag(image)
	build := istiodBuild{version: istioVersion}
	if strings.Contains(tag, "-fips") {
		build.flavor = boring
	}
	core := versionCore.FindString(tag)
	if core == istioVersion {
		return build
	}
	if number(core) >= number(istioNext) {
		build.version = istioNext
	}
	if core != build.version {
		build.note = fmt.Sprintf("there is no build for tag %q here: %s stands for it", tag, build.version)
	}
	return build
}

// imageTag is what follows the last colon, unless that is the port of a registry.
func imageTag(image string) string {
	image, _, _ = strings.Cut(image, "@")
	at := strings.LastIndexByte(image, ':')
	if at < 0 || strings.Contains(image[at:], "/") {
		return ""
	}
	return image[at+1:]
}

// number makes versions comparable.
func number(core string) int {
	parts := versionCore.FindStringSubmatch(core)
	if parts == nil {
		return 0
	}
	sum := 0
	for _, part := range parts[1:] {
		n, _ := strconv.Atoi(part)
		sum = sum*1000 + n
	}
	return sum
}
