package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"
)

// api talks to the API server as the bed's admin.
type api struct {
	client *http.Client
}

func newAPI(s state) (*api, error) {
	pair, err := tls.LoadX509KeyPair(s.path("pki", "admin.crt"), s.path("pki", "admin.key"))
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(s.path("pki", "ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &api{client: &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots},
		ForceAttemptHTTP2: true,
	}}}, nil
}

// An apiError is an answer of the API server that is not 2xx.
type apiError struct {
	code   int
	method string
	path   string
	body   string
}

func (e *apiError) Error() string {
	return fmt.Sprintf("%s %s: %d: %s", e.method, e.path, e.code, e.body)
}

func hasCode(err error, code int) bool {
	var answer *apiError
	return errors.As(err, &answer) && answer.code == code
}

const (
	jsonType   = "application/json"
	mergePatch = "application/merge-patch+json"
	// Only the metadata of each object: enough to know what is there.
	metadataOnly = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
)

// do sends a request and returns the open body of a 2xx answer.
func (a *api) do(ctx context.Context, method, path, contentType, accept string, body any) (io.ReadCloser, error) {
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		reader = bytes.NewReader(b)
	default:
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, apiURL+path, reader)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Accept", accept)
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 2000))
	return nil, &apiError{resp.StatusCode, method, path, string(text)}
}

// send is do with the answer read and thrown away, so that the connection can
// be used again.
func (a *api) send(ctx context.Context, method, path, contentType string, body any) error {
	answer, err := a.do(ctx, method, path, contentType, jsonType, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	_, err = io.Copy(io.Discard, answer)
	return err
}

func (a *api) get(ctx context.Context, path, accept string, into any) error {
	answer, err := a.do(ctx, http.MethodGet, path, jsonType, accept, nil)
	if err != nil {
		return err
	}
	defer answer.Close()
	return json.NewDecoder(answer).Decode(into)
}

func (a *api) create(ctx context.Context, path string, object any) error {
	return a.send(ctx, http.MethodPost, path, jsonType, object)
}

func (a *api) patch(ctx context.Context, path string, change any) error {
	return a.send(ctx, http.MethodPatch, path, mergePatch, change)
}

// page is one page of a list.
type page[T any] struct {
	Metadata struct {
		ResourceVersion string `json:"resourceVersion"`
		Continue        string `json:"continue"`
	} `json:"metadata"`
	Items []T `json:"items"`
}

// list calls each for every object, and returns the version to watch from.
func list[T any](ctx context.Context, a *api, path, accept string, each func(T)) (string, error) {
	next := ""
	for {
		query := url.Values{"limit": {"500"}}
		if next != "" {
			query.Set("continue", next)
		}
		var p page[T]
		if err := a.get(ctx, path+"?"+query.Encode(), accept, &p); err != nil {
			return "", err
		}
		for _, item := range p.Items {
			each(item)
		}
		if next = p.Metadata.Continue; next == "" {
			return p.Metadata.ResourceVersion, nil
		}
	}
}

type watchEvent struct {
	Type   string          `json:"type"`
	Object json.RawMessage `json:"object"`
}

// watch calls each for every change, until the stream ends.
func (a *api) watch(ctx context.Context, path, version string, each func(kind string, object []byte)) error {
	query := url.Values{"watch": {"1"}, "resourceVersion": {version}}
	stream, err := a.do(ctx, http.MethodGet, path+"?"+query.Encode(), jsonType, jsonType, nil)
	if err != nil {
		return err
	}
	defer stream.Close()
	decoder := json.NewDecoder(stream)
	for {
		var event watchEvent
		if err := decoder.Decode(&event); err != nil {
			return err
		}
		if event.Type == "ERROR" {
			return fmt.Errorf("watch of %s: %s", path, event.Object)
		}
		each(event.Type, event.Object)
	}
}

// await asks again, at short intervals, until it is so; a process that has
// ended or a context that is over ends the wait.
func await(ctx context.Context, what string, ended <-chan struct{}, so func() bool) error {
	start := time.Now()
	for wait := 10 * time.Millisecond; !so(); wait = min(wait*3/2, 200*time.Millisecond) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s for %s: %w", time.Since(start).Round(time.Second), what, ctx.Err())
		case <-ended:
			return fmt.Errorf("no %s: its process has ended", what)
		case <-time.After(wait):
		}
	}
	return nil
}
