package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// What the injector of Istio 1.31 makes of a pod with one container.
//
//go:embed sidecar-pod.json
var sidecarPod string

const (
	benchPrefix = "bench-"
	benchImage  = "us-docker.pkg.dev/soloio-img/istio/proxyv2:1.31.0-solo-fips-distroless"
	maxBench    = 15000
	benchSpread = 10 // namespaces; one digit each, see clone
	samplePod   = "/api/v1/namespaces/bench-0/pods/app-00000"

	// Addresses that kwok does not give away, all of the same length.
	sampleIP  = "10.244.128.100"
	benchIP   = "10.244.%d.%d"
	perSubnet = 120
)

// scale makes pods that carry a sidecar already. One goes the whole way
// through the API server and kwok; the others are copies of what the API
// server has stored for it. Otherwise ten thousand take minutes.
func scale(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("scale", flag.ContinueOnError)
	image := flags.String("image", benchImage, "`image` of the sidecar")
	if err := flags.Parse(args); err != nil {
		return err
	}
	count, err := strconv.Atoi(flags.Arg(0))
	if err != nil || flags.NArg() != 1 || count < 1 || count > maxBench {
		return fmt.Errorf("usage: scale [--image IMAGE] N, up to %d", maxBench)
	}
	s, err := openState()
	if err != nil {
		return err
	}
	a, err := newAPI(s)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := benchNamespaces(ctx, a); err != nil {
		return err
	}
	uid, err := makeSample(ctx, a, *image)
	if err != nil {
		return err
	}
	if err := copySample(ctx, uid, count); err != nil {
		return err
	}
	if err := awaitRunning(ctx, count); err != nil {
		return err
	}
	say("%d pods with a sidecar are running after %.1f s", count, time.Since(start).Seconds())
	return nil
}

func benchNamespaces(ctx context.Context, a *api) error {
	for n := range benchSpread {
		name := benchPrefix + strconv.Itoa(n)
		err := a.create(ctx, "/api/v1/namespaces", map[string]any{
			"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name},
		})
		if err != nil && !hasCode(err, http.StatusConflict) {
			return err
		}
	}
	account := "/api/v1/namespaces/bench-0/serviceaccounts/default"
	return await(ctx, account, nil, func() bool { return a.send(ctx, http.MethodGet, account, jsonType, nil) == nil })
}

// makeSample creates the first pod, and gives it an address of the full length.
func makeSample(ctx context.Context, a *api, image string) (uid string, err error) {
	now := map[string]any{"gracePeriodSeconds": 0}
	if err := a.send(ctx, http.MethodDelete, samplePod, jsonType, now); err != nil && !hasCode(err, http.StatusNotFound) {
		return "", err
	}
	body := strings.NewReplacer(
		"@NAME@", "app-00000", "@NAMESPACE@", "bench-0", "@NODE@", "node-1", "@IMAGE@", image,
	).Replace(sidecarPod)
	if err := a.create(ctx, "/api/v1/namespaces/bench-0/pods", []byte(body)); err != nil {
		return "", err
	}
	var p pod
	err = await(ctx, "first pod", nil, func() bool {
		return a.get(ctx, samplePod, jsonType, &p) == nil && p.Status.Phase == "Running"
	})
	if err != nil {
		return "", err
	}
	return p.Metadata.UID, a.patch(ctx, samplePod+"/status", map[string]any{"status": map[string]any{
		"podIP": sampleIP, "podIPs": []any{map[string]any{"ip": sampleIP}},
	}})
}

func copySample(ctx context.Context, uid string, count int) error {
	key := registry + "pods/bench-0/app-00000"
	found, err := etcd{}.list(ctx, key, true)
	if err != nil {
		return err
	}
	sample, ok := found[key]
	if !ok {
		return errors.New("the API server has stored no first pod")
	}
	var changes []change
	for n := 1; n < count; n++ {
		name, namespace := benchName(n)
		changes = append(changes, put(registry+"pods/"+namespace+"/"+name, clone(sample.Value, uid, n)))
	}
	return etcd{}.apply(ctx, changes)
}

func benchName(n int) (name, namespace string) {
	return fmt.Sprintf("app-%05d", n), benchPrefix + strconv.Itoa(n%benchSpread)
}

// clone makes another pod of a stored one. It is protobuf, where the length
// stands before each string: so all that differs has the same length.
func clone(stored []byte, uid string, n int) []byte {
	name, namespace := benchName(n)
	for _, pair := range [][2]string{
		{"app-00000", name},
		{"bench-0", namespace},
		{uid, benchUID(n)},
		{"node-1", "node-" + strconv.Itoa(1+n%2)},
		{sampleIP, fmt.Sprintf(benchIP, 128+n/perSubnet, 100+n%perSubnet)},
	} {
		stored = bytes.ReplaceAll(stored, []byte(pair[0]), []byte(pair[1]))
	}
	return stored
}

func benchUID(n int) string {
	sum := sha256.Sum256([]byte(strconv.Itoa(n)))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

func awaitRunning(ctx context.Context, count int) error {
	query := "/running?" + url.Values{"prefix": {benchPrefix}}.Encode()
	var failed error
	err := await(ctx, "running pods", nil, func() bool {
		var answer string
		answer, failed = control(ctx, http.MethodGet, query)
		running, _ := strconv.Atoi(strings.TrimSpace(answer))
		return failed != nil || running >= count
	})
	if failed != nil {
		return failed
	}
	return err
}
