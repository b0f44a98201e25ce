package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	statsPort  = "15090"
	healthPort = "15021"
	soReuse    = 0xf // SO_REUSEPORT, which package syscall does not name

	// How long an address may be ahead of the watch.
	indexLag = 300 * time.Millisecond
)

// proxies is the stand-in for the Envoy of every pod: it answers the two ports
// that Envoy serves to everybody, by the address that was called. SO_REUSEPORT
// lets a real process take one address for itself.
type proxies struct {
	index *podIndex
	start time.Time

	mu    sync.Mutex
	conns map[string]map[net.Conn]bool // by the address that was called
}

func newProxies(index *podIndex) *proxies {
	return &proxies{index: index, start: time.Now(), conns: map[string]map[net.Conn]bool{}}
}

// track is a hook of the server: it knows the open connections.
func (p *proxies) track(conn net.Conn, now http.ConnState) {
	ip := conn.LocalAddr().(*net.TCPAddr).IP.String()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch now {
	case http.StateNew:
		if p.conns[ip] == nil {
			p.conns[ip] = map[net.Conn]bool{}
		}
		p.conns[ip][conn] = true
	case http.StateClosed, http.StateHijacked:
		delete(p.conns[ip], conn)
		if len(p.conns[ip]) == 0 {
			delete(p.conns, ip)
		}
	}
}

// leave closes what is open to an address, so that the API server does not go
// on with its old connection when a real Envoy has come.
func (p *proxies) leave(ip string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns[ip] {
		conn.Close()
	}
}

func (p *proxies) serve(ctx context.Context) error {
	for port, path := range map[string]string{statsPort: "/stats/prometheus", healthPort: "/healthz/ready"} {
		listener, err := listenShared(ctx, "0.0.0.0:"+port)
		if err != nil {
			return err
		}
		mux := http.NewServeMux()
		mux.HandleFunc(path, p.answer)
		server := &http.Server{
			Handler: mux, ConnState: p.track,
			ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 15 * time.Second,
		}
		go func() {
			if err := server.Serve(listener); ctx.Err() == nil {
				log.Printf("stand-in for the proxies: %v", err)
			}
		}()
	}
	return nil
}

func listenShared(ctx context.Context, address string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		var failed error
		err := conn.Control(func(fd uintptr) {
			failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soReuse, 1)
		})
		if err != nil {
			return err
		}
		return failed
	}}
	return config.Listen(ctx, "tcp4", address)
}

func (p *proxies) answer(w http.ResponseWriter, r *http.Request) {
	image := p.image(r)
	if image == "" {
		hangUp(w)
		return
	}
	if !strings.HasPrefix(r.URL.Path, "/stats") {
		return
	}
	body, err := renderStats(fipsImage(image), time.Since(p.start), r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.Header().Set("Server", "envoy")
	_, _ = w.Write([]byte(body))
}

// image is that of the proxy at the address that was called; empty if there is
// none.
func (p *proxies) image(r *http.Request) string {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return ""
	}
	ip := local.IP.String()
	for deadline := time.Now().Add(indexLag); ; time.Sleep(10 * time.Millisecond) {
		image, known := p.index.at(ip)
		if known || time.Now().After(deadline) {
			return image
		}
	}
}

// hangUp resets the connection: a pod without a proxy has nobody who listens.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}

func fipsImage(image string) bool { return strings.Contains(imageTag(image), "-fips") }

// A stat has Envoy's own name, by which its filter goes, and a value.
type stat struct {
	name  string
	kind  string
	used  bool
	value func(fips bool, uptime time.Duration) int64
}

func fixed(value int64) func(bool, time.Duration) int64 {
	return func(bool, time.Duration) int64 { return value }
}

// stats are a few of those that Envoy 1.40 has; a real one answers with about
// a thousand lines.
var stats = []stat{
	{"server.debug_assertion_failures", "counter", false, fixed(0)},
	{"server.dynamic_unknown_fields", "counter", false, fixed(0)},
	{"server.static_unknown_fields", "counter", false, fixed(0)},
	{"server.compilation_settings.fips_mode", "gauge", true, func(fips bool, _ time.Duration) int64 {
		if fips {
			return 1
		}
		return 0
	}},
	{"server.concurrency", "gauge", true, fixed(2)},
	{"server.days_until_first_cert_expiring", "gauge", true, fixed(0)},
	{"server.hot_restart_epoch", "gauge", true, fixed(0)},
	{"server.live", "gauge", true, fixed(1)},
	{"server.memory_allocated", "gauge", true, fixed(18_315_904)},
	{"server.memory_heap_size", "gauge", true, fixed(31_457_280)},
	{"server.parent_connections", "gauge", false, fixed(0)},
	{"server.state", "gauge", true, fixed(0)},
	{"server.total_connections", "gauge", true, fixed(3)},
	{"server.uptime", "gauge", true, func(_ bool, up time.Duration) int64 { return int64(up.Seconds()) }},
}

// renderStats writes the text format as Envoy does, with its two options.
func renderStats(fips bool, uptime time.Duration, query url.Values) (string, error) {
	filter, err := regexp.Compile(query.Get("filter"))
	if err != nil {
		return "", fmt.Errorf("Invalid regex: %w", err)
	}
	_, usedOnly := query["usedonly"]
	var out strings.Builder
	for _, s := range stats {
		if !filter.MatchString(s.name) || usedOnly && !s.used {
			continue
		}
		name := "envoy_" + strings.ReplaceAll(s.name, ".", "_")
		fmt.Fprintf(&out, "# TYPE %s %s\n%s{} %d\n", name, s.kind, name, s.value(fips, uptime))
	}
	return out.String(), nil
}
