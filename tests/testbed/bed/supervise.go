package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	nodeAddress    = "127.0.0.1"
	controlAddress = "127.0.0.1:10246"

	lifelineFD = 3 // from `up`: a byte when it has seen that all is ready
	progressFD = 4 // to `up`: a line for each step
	pidFD      = 5 // locked as long as the supervisor lives

	readyWord  = "ready"
	failedWord = "failed: "
)

// options are what `up` was asked for. A bed with other ones is another bed.
type options struct {
	Nodes       int               `json:"nodes"`
	Schedulable bool              `json:"schedulable"`
	Archs       []string          `json:"archs"` // of the nodes, by turns
	ImageIDs    string            `json:"imageIds"`
	Images      string            `json:"images,omitempty"` // directory of the images
	WhilePID    int               `json:"whilePid,omitempty"`
	Programs    map[string]string `json:"programs"`
	Bed         string            `json:"bed"` // the program of the supervisor itself
}

// supervisor holds the bed: its network namespace is the bed's, and what it
// starts ends with it.
type supervisor struct {
	state    state
	options  options
	api      *api
	spawner  *spawner
	index    *podIndex
	istiods  *istiods
	proxies  *proxies
	table    imageTable
	broken   chan error // a component that has ended by itself
	progress io.Writer
	start    time.Time

	mu     sync.Mutex
	envoys map[string]*process
	kwok   *process
	form   string // of imageID, that kwok has been told
}

func supervise(ctx context.Context, _ []string) error {
	s, err := openState()
	if err != nil {
		return err
	}
	// What `up` handed on is not for the programs of the bed.
	for _, fd := range []int{lifelineFD, progressFD, pidFD} {
		syscall.CloseOnExec(fd)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go holdLifeline(cancel)
	v := &supervisor{
		state: s, spawner: newSpawner(), index: newPodIndex(), broken: make(chan error, 16),
		progress: os.NewFile(progressFD, "progress"), start: time.Now(), envoys: map[string]*process{},
	}
	defer v.spawner.stopAll()
	if err := v.bringUp(ctx); err != nil {
		fmt.Fprintln(v.progress, failedWord+strings.ReplaceAll(err.Error(), "\n", "\t"))
		return err
	}
	fmt.Fprintln(v.progress, readyWord)
	err = v.hold(ctx)
	log.Printf("ends: %v", err)
	_ = os.Remove(s.envFile())
	return err
}

// holdLifeline ends the supervisor when `up` ends before the bed was ready.
func holdLifeline(cancel context.CancelCauseFunc) {
	lifeline := os.NewFile(lifelineFD, "lifeline")
	if n, _ := lifeline.Read(make([]byte, 1)); n == 0 {
		cancel(errors.New("up was interrupted"))
	}
}

func (v *supervisor) hold(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-v.broken:
			return err
		case <-ticker.C:
			if pid := v.options.WhilePID; pid != 0 && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
				return fmt.Errorf("process %d, which this bed was for, has ended", pid)
			}
		}
	}
}

func (v *supervisor) step(format string, args ...any) {
	fmt.Fprintf(v.progress, format+"\n", args...)
}

func (v *supervisor) bringUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	data, err := os.ReadFile(v.state.options())
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &v.options); err != nil {
		return err
	}
	if v.table, err = readTable(v.options.Images); err != nil {
		return err
	}
	if err := errors.Join(setUpNetwork(), makeCerts(v.state), v.writeKwokConfig(v.options.ImageIDs)); err != nil {
		return err
	}
	if v.api, err = newAPI(v.state); err != nil {
		return err
	}
	if err := v.startRegistries(); err != nil {
		return err
	}
	if err := v.startControlPlane(ctx); err != nil {
		return err
	}
	if err := v.startSimulation(); err != nil {
		return err
	}
	v.step("waiting for %d nodes and the controllers", v.options.Nodes)
	if err := v.settle(ctx); err != nil {
		return err
	}
	return v.writeEnv()
}

func (v *supervisor) startControlPlane(ctx context.Context) error {
	v.step("starting etcd %s and Kubernetes %s", etcdVersion, kubeVersion)
	if _, err := v.run(etcdComponent(v.state)); err != nil {
		return err
	}
	server, err := v.run(apiServerComponent(v.state))
	if err != nil {
		return err
	}
	err = await(ctx, "ready API server", server.done, func() bool {
		return v.api.send(ctx, http.MethodGet, "/readyz", jsonType, nil) == nil
	})
	if err != nil {
		select {
		case broken := <-v.broken:
			return broken
		default:
			return err
		}
	}
	for _, c := range []component{controllerManagerComponent(v.state), schedulerComponent(v.state)} {
		if _, err := v.run(c); err != nil {
			return err
		}
	}
	return nil
}

// startSimulation starts what stands for nodes and proxies, and the real istiod.
// The nodes come first: kwok is quickest with what is there when it starts.
func (v *supervisor) startSimulation() error {
	v.step("starting kwok %s; proxies are a stand-in: it answers :%s for every pod that has one", kwokVersion, statsPort)
	ctx := context.Background()
	for n := range v.options.Nodes {
		if err := v.api.create(ctx, "/api/v1/nodes", node(n+1, v.options.Schedulable, v.options.arch(n+1))); err != nil {
			return err
		}
	}
	v.istiods = newIstiods(v.state, v.api, v.index, v.spawner, v.options.Programs)
	if err := v.serveControl(); err != nil {
		return err
	}
	v.proxies = newProxies(v.index)
	if err := v.proxies.serve(ctx); err != nil {
		return err
	}
	if err := v.startKwok(firstPodAddress); err != nil {
		return err
	}
	if _, err := v.run(kubeletComponent(v.state)); err != nil {
		return err
	}
	watcher := &podWatcher{
		api: v.api, index: v.index, istiods: v.istiods,
		reported: map[string]bool{}, seen: map[string]*pod{},
	}
	go watcher.run(ctx)
	return nil
}

func (v *supervisor) startKwok(after netip.Addr) (err error) {
	v.kwok, err = v.run(kwokComponent(v.state, after))
	return err
}

// run starts a component that must not end.
func (v *supervisor) run(c component) (*process, error) {
	program := c.name
	if c.program != "" {
		program = c.program
	}
	logFile := v.state.path("log", c.name+".log")
	p, err := v.spawner.start(c.name, logFile, v.state.path(), nil, v.options.Programs[program], c.args...)
	if err != nil {
		return nil, err
	}
	go func() {
		<-p.done
		if !p.replaced.Load() {
			v.broken <- p.err
		}
	}()
	return p, nil
}

func (v *supervisor) writeEnv() error {
	var out strings.Builder
	lines := [][2]string{
		{"GLOOISTIO_TESTBED_PID", strconv.Itoa(os.Getpid())},
		{envDir, string(v.state)},
		{"KUBECONFIG", v.state.kubeconfig()},
		{"GLOOISTIO_TESTBED_BIN", v.state.path("bin")},
		{"GLOOISTIO_TESTBED_ISTIOCTL", v.state.path("bin", "istioctl")},
		{"GLOOISTIO_TESTBED_ISTIOCTL_NEXT", v.state.path("bin-"+istioNext, "istioctl")},
	}
	if v.options.Images != "" {
		lines = append(lines, [2]string{envRegistry, registryAddress}, [2]string{envRegistryLocked, lockedAddress})
	}
	for _, line := range lines {
		fmt.Fprintf(&out, "export %s='%s'\n", line[0], strings.ReplaceAll(line[1], "'", `'\''`))
	}
	temp := v.state.envFile() + ".new"
	if err := os.WriteFile(temp, []byte(out.String()), 0o644); err != nil {
		return err
	}
	return os.Rename(temp, v.state.envFile())
}

// linkPrograms makes the directories that `run` puts into PATH: one for each istioctl.
func linkPrograms(s state, programs map[string]string) error {
	for dir, istioctl := range map[string]string{
		"bin": istioVersion, "bin-" + istioVersion: istioVersion, "bin-" + istioNext: istioNext,
	} {
		if err := os.MkdirAll(s.path(dir), 0o755); err != nil {
			return err
		}
		links := map[string]string{"istioctl": programs["istioctl-"+istioctl], "kubectl": programs["kubectl"]}
		for name, target := range links {
			if err := os.Symlink(target, s.path(dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}
