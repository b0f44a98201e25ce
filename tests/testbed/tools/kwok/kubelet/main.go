// Command kubelet is the kubelet's streaming port for every simulated node.
//
// It stands in front of kwok, which serves exec and attach. Two things kwok
// cannot do and are done here: port-forward to any port of any pod (kwok's
// rules name their ports and targets one by one), by the streaming library
// that the real kubelet uses; and the logs of the processes that really run
// for a pod.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/portforward"
)

const (
	idleTimeout           = 4 * time.Hour
	streamCreationTimeout = 30 * time.Second
	logPoll               = 200 * time.Millisecond
)

func main() {
	listen := flag.String("listen", "", "address to serve the kubelet API on")
	cert := flag.String("cert", "", "serving certificate")
	key := flag.String("key", "", "its key")
	clientCA := flag.String("client-ca", "", "CA of the API server's client certificate")
	kwok := flag.String("kwok", "", "base URL of kwok's own server")
	pods := flag.String("pods", "", "URL that answers ?namespace=&name= with {\"ip\":…,\"log\":…}")
	flag.Parse()
	if err := serve(*listen, *cert, *key, *clientCA, *kwok, *pods); err != nil {
		log.Fatal(err)
	}
}

func serve(listen, cert, key, clientCA, kwok, pods string) error {
	pem, err := os.ReadFile(clientCA)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s: no certificate", clientCA)
	}
	target, err := url.Parse(kwok)
	if err != nil {
		return err
	}
	k := &kubelet{pods: pods}
	mux := http.NewServeMux()
	mux.HandleFunc("/portForward/{namespace}/{pod}", k.portForward)
	mux.HandleFunc("/portForward/{namespace}/{pod}/{uid}", k.portForward)
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", k.logs)
	mux.Handle("/", httputil.NewSingleHostReverseProxy(target))
	server := &http.Server{
		Addr:              listen,
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{
			ClientAuth: tls.RequireAndVerifyClientCert,
			ClientCAs:  roots,
			// Streams are taken over from HTTP/1.1 connections.
			NextProtos: []string{"http/1.1"},
		},
	}
	return server.ListenAndServeTLS(cert, key)
}

type kubelet struct {
	pods string
}

// place says where a pod is: its address, and the file its process logs to.
type place struct {
	IP  string `json:"ip"`
	Log string `json:"log"`
}

func (k *kubelet) place(ctx context.Context, namespace, name string) (place, error) {
	var p place
	query := url.Values{"namespace": {namespace}, "name": {name}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.pods+"?"+query.Encode(), nil)
	if err != nil {
		return p, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return p, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return p, fmt.Errorf("pod %s/%s: %s", namespace, name, resp.Status)
	}
	return p, json.NewDecoder(resp.Body).Decode(&p)
}

func (k *kubelet) portForward(w http.ResponseWriter, r *http.Request) {
	options, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	name := r.PathValue("namespace") + "/" + r.PathValue("pod")
	portforward.ServePortForward(w, r, k, name, r.PathValue("uid"), options,
		idleTimeout, streamCreationTimeout, portforward.SupportedProtocols)
}

// PortForward implements portforward.PortForwarder.
func (k *kubelet) PortForward(ctx context.Context, name, _ string, port int32, stream io.ReadWriteCloser) error {
	defer stream.Close()
	namespace, pod, _ := strings.Cut(name, "/")
	where, err := k.place(ctx, namespace, pod)
	if err != nil {
		return err
	}
	if where.IP == "" {
		return fmt.Errorf("pod %s has no address yet", name)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(where.IP, strconv.Itoa(int(port))))
	if err != nil {
		return err
	}
	defer conn.Close()
	return tunnel(conn.(*net.TCPConn), stream)
}

// tunnel copies both ways until the pod has said everything; a client that has
// no more to send may still be waiting for the answer.
func tunnel(conn *net.TCPConn, stream io.ReadWriter) error {
	go func() {
		_, _ = io.Copy(conn, stream)
		_ = conn.CloseWrite()
	}()
	_, err := io.Copy(stream, conn)
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (k *kubelet) logs(w http.ResponseWriter, r *http.Request) {
	where, err := k.place(r.Context(), r.PathValue("namespace"), r.PathValue("pod"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	if where.Log == "" {
		fmt.Fprintf(w, "container %s is simulated: it has no log\n", r.PathValue("container"))
		return
	}
	file, err := os.Open(where.Log)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer file.Close()
	query := r.URL.Query()
	if tail, err := strconv.Atoi(query.Get("tailLines")); err == nil {
		if err := seekTail(file, tail); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	copyLog(w, r, file, query.Get("follow") == "true")
}

// seekTail moves to the start of the last lines; logs are small here, so the
// file is simply read.
func seekTail(file *os.File, lines int) error {
	data, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	at := len(data)
	if at > 0 && data[at-1] == '\n' {
		at--
	}
	for ; lines > 0 && at >= 0; lines-- {
		at = bytes.LastIndexByte(data[:at], '\n')
	}
	_, err = file.Seek(int64(at+1), io.SeekStart)
	return err
}

func copyLog(w http.ResponseWriter, r *http.Request, file io.Reader, follow bool) {
	flush := http.NewResponseController(w)
	for {
		if _, err := io.Copy(w, file); err != nil {
			return
		}
		_ = flush.Flush()
		if !follow {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(logPoll):
		}
	}
}
