package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"
)

// control asks the supervisor. Its port is inside the bed's namespace, where
// the script starts these commands.
func control(ctx context.Context, method, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+controlAddress+path, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("the supervisor does not answer: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(text)))
	}
	return string(text), nil
}

// serveControl answers the bed's own commands, which run in the same namespace.
func (v *supervisor) serveControl() error {
	listener, err := net.Listen("tcp", controlAddress)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /pod", v.servePod)
	mux.HandleFunc("GET /status", v.serveStatus)
	mux.HandleFunc("GET /running", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, v.index.running(r.URL.Query().Get("prefix")))
	})
	mux.HandleFunc("POST /envoy", v.serveEnvoy)
	mux.HandleFunc("POST /image-ids", v.serveImageIDs)
	mux.HandleFunc("POST /quiet", v.serveQuiet)
	go func() { _ = http.Serve(listener, mux) }()
	return nil
}

func (v *supervisor) servePod(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	where, ok := v.index.named(query.Get("namespace"), query.Get("name"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	_ = json.NewEncoder(w).Encode(where)
}

func (v *supervisor) serveStatus(w http.ResponseWriter, _ *http.Request) {
	out := bufio.NewWriter(w)
	defer out.Flush()
	fmt.Fprintf(out, "running pods %d, up for %s\n", v.index.running(""), time.Since(v.start).Round(time.Second))
	if v.options.Images == "" {
		fmt.Fprintln(out, "no images: `up` has said why")
	} else {
		fmt.Fprintf(out, "%d images at %s/%s, with a password at %s\n", len(v.table), registryAddress, imageHub, lockedAddress)
	}
	for _, p := range v.spawner.list() {
		fmt.Fprintf(out, "%8d  %-40s %s\n", p.cmd.Process.Pid, p.name, filepath.Base(p.log))
	}
}

// serveQuiet ends the real Envoys, waits until no istiod runs any more, and
// goes back to the form of imageID that `up` was asked for.
func (v *supervisor) serveQuiet(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	for ip, p := range v.envoys {
		p.stop(0)
		delete(v.envoys, ip)
	}
	v.mu.Unlock()
	ctx, cancel := context.WithTimeout(r.Context(), 30*time.Second)
	defer cancel()
	if err := await(ctx, "end of istiod", nil, v.istiods.idle); err != nil {
		http.Error(w, err.Error(), http.StatusGatewayTimeout)
		return
	}
	if _, err := v.changeImageIDs(ctx, v.options.ImageIDs); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}
