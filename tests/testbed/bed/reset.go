package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	resetLimit = 2 * time.Minute
	// How often in a row nothing may be left over: a controller that had not
	// yet heard of the end of an object may have answered by a new one.
	quietRounds = 3
	quietPause  = 40 * time.Millisecond
)

// saveBaseline notes what the cluster is made of, after `up`.
func saveBaseline(ctx context.Context, file string) error {
	all, err := etcd{}.list(ctx, registry, true)
	if err != nil {
		return err
	}
	maps.DeleteFunc(all, func(key string, _ keyValue) bool { return restless(key) })
	return writeBaseline(file, all)
}

func writeBaseline(file string, all map[string]keyValue) error {
	data, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}

// restless entries belong to the API server itself and change all the time.
func restless(key string) bool {
	return strings.HasPrefix(key, registry+"leases/kube-") || strings.HasPrefix(key, registry+"masterleases/")
}

// follows says whether the API server removes an entry itself, when what it
// stands for has gone. That is waited for: the discovery depends on it.
func follows(key string) bool {
	return strings.HasPrefix(key, registry+"apiregistration.k8s.io/apiservices/")
}

// resetter brings the cluster back to the baseline by way of etcd.
type resetter struct {
	etcd     etcd
	baseline map[string]keyValue
}

func reset(ctx context.Context, _ []string) error {
	s, err := openState()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, resetLimit)
	defer cancel()
	start := time.Now()
	r := &resetter{}
	data, err := os.ReadFile(s.baseline())
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &r.baseline); err != nil {
		return err
	}
	if err := r.untilQuiet(ctx); err != nil {
		return err
	}
	if err := writeBaseline(s.baseline(), r.baseline); err != nil {
		return err
	}
	if err := caughtUp(ctx, s); err != nil {
		return err
	}
	if _, err := control(ctx, http.MethodPost, "/quiet"); err != nil {
		return err
	}
	say("reset in %.1f s", time.Since(start).Seconds())
	return nil
}

func (r *resetter) untilQuiet(ctx context.Context) error {
	for quiet := 0; quiet < quietRounds; {
		now, err := r.etcd.list(ctx, registry, false)
		if err != nil {
			return err
		}
		steps, waiting := r.changes(now)
		for _, step := range steps {
			if err := r.etcd.apply(ctx, step); err != nil {
				return err
			}
		}
		quiet++
		if len(steps) > 0 || waiting {
			quiet = 0
		}
		if err := r.note(ctx, len(steps) > 0); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the cluster does not come to rest: %w", ctx.Err())
		case <-time.After(quietPause):
		}
	}
	return nil
}

// changes are what leads from now to the baseline, step by step.
func (r *resetter) changes(now map[string]keyValue) (steps [][]change, waiting bool) {
	byRank := map[int][]change{}
	for key := range now {
		if _, known := r.baseline[key]; known || restless(key) {
			continue
		}
		if follows(key) {
			waiting = true
			continue
		}
		byRank[rank(key)] = append(byRank[rank(key)], remove(key))
	}
	for key, was := range r.baseline {
		if is, there := now[key]; (!there || is.ModRevision != was.ModRevision) && !follows(key) {
			byRank[lastRank] = append(byRank[lastRank], put(key, was.Value))
		}
	}
	for _, n := range slices.Sorted(maps.Keys(byRank)) {
		steps = append(steps, byRank[n])
	}
	return steps, waiting
}

const lastRank = 9

// rank orders deletion: first what refuses or makes other objects, so that
// nothing is made anew for what is missing.
func rank(key string) int {
	for i, kinds := range [][]string{
		{"mutatingwebhookconfigurations/", "validatingwebhookconfigurations/", "validatingadmissionpolic"},
		{"namespaces/"},
		{"horizontalpodautoscalers/", "deployments/", "statefulsets/", "daemonsets/", "jobs/", "cronjobs/"},
		{"replicasets/"},
	} {
		for _, kind := range kinds {
			if strings.HasPrefix(key, registry+kind) {
				return i
			}
		}
	}
	return lastRank
}

// note takes over the revisions of what has been put back.
func (r *resetter) note(ctx context.Context, changed bool) error {
	if !changed {
		return nil
	}
	now, err := r.etcd.list(ctx, registry, false)
	if err != nil {
		return err
	}
	for key, was := range r.baseline {
		if is, there := now[key]; there {
			was.ModRevision = is.ModRevision
			r.baseline[key] = was
		}
	}
	return nil
}

// caughtUp waits until the API server has seen all: a list that asks for the
// newest state is answered no earlier.
func caughtUp(ctx context.Context, s state) error {
	a, err := newAPI(s)
	if err != nil {
		return err
	}
	for _, path := range []string{
		"/api/v1/namespaces", "/api/v1/pods", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
		"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
	} {
		if err := a.send(ctx, http.MethodGet, path, jsonType, nil); err != nil {
			return err
		}
	}
	return nil
}
