package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// etcd is the store behind the API server. What the bed does in bulk it does
// here: a pod takes the API server 20 ms of CPU to create, and as much to
// delete. The API server learns of every change by its watch, and tells its
// clients, as if another API server had made it.
type etcd struct{}

// Enough idle connections for all that apply does at a time.
var etcdClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}

const registry = "/registry/"

// keyValue is an entry. The gateway writes bytes as base64, as encoding/json
// does, and numbers as strings.
type keyValue struct {
	Key         []byte `json:"key"`
	Value       []byte `json:"value,omitempty"`
	ModRevision string `json:"mod_revision,omitempty"`
}

func (etcd) call(ctx context.Context, method string, request, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	url := "http://" + etcdAddress + "/v3/kv/" + method
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := etcdClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		return fmt.Errorf("etcd: %s: %s: %s", method, resp.Status, text)
	}
	if answer == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}

// list returns every entry whose key begins so, with its value or without.
func (e etcd) list(ctx context.Context, prefix string, values bool) (map[string]keyValue, error) {
	end := []byte(prefix)
	end[len(end)-1]++
	var answer struct {
		Items []keyValue `json:"kvs"`
	}
	err := e.call(ctx, "range", map[string]any{"key": []byte(prefix), "range_end": end, "keys_only": !values}, &answer)
	if err != nil {
		return nil, err
	}
	all := make(map[string]keyValue, len(answer.Items))
	for _, item := range answer.Items {
		all[string(item.Key)] = item
	}
	return all, nil
}

// change is one call that changes one entry.
type change struct {
	method  string
	request any
	key     string
}

func put(key string, value []byte) change {
	return change{"put", keyValue{Key: []byte(key), Value: value}, key}
}

func remove(key string) change {
	return change{"deleterange", map[string]any{"key": []byte(key)}, key}
}

// apply makes the changes, some at a time. Each is a transaction and a
// revision of its own: the API server makes no others, and its watches lose
// objects that share a revision.
func (e etcd) apply(ctx context.Context, changes []change) error {
	return parallel(changes, 16, func(c change) error { return e.call(ctx, c.method, c.request, nil) })
}

// parallel calls do for all, some at a time.
func parallel[T any](all []T, workers int, do func(T) error) error {
	queue := make(chan T)
	errs := make(chan error, workers)
	for range workers {
		go func() {
			var failed error
			for item := range queue {
				if failed == nil {
					failed = do(item)
				}
			}
			errs <- failed
		}()
	}
	for _, item := range all {
		queue <- item
	}
	close(queue)
	var failed error
	for range workers {
		failed = errors.Join(failed, <-errs)
	}
	return failed
}
