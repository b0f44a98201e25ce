package main

import (
	"context"
	"strings"
)

type nodeState struct {
	Spec struct {
		Taints []struct {
			Key string `json:"key"`
		} `json:"taints"`
	} `json:"spec"`
	Status struct {
		Conditions []struct {
			Type   string `json:"type"`
			Status string `json:"status"`
		} `json:"conditions"`
	} `json:"status"`
}

func (n nodeState) ready() bool {
	for _, taint := range n.Spec.Taints {
		if strings.HasSuffix(taint.Key, "/not-ready") {
			return false
		}
	}
	for _, condition := range n.Status.Conditions {
		if condition.Type == "Ready" {
			return condition.Status == "True"
		}
	}
	return false
}

// settle waits until nodes and controllers have done what they do by
// themselves, and notes what there is: `reset` goes back to it.
func (v *supervisor) settle(ctx context.Context) error {
	err := v.awaitAlive(ctx, "ready nodes", func() bool {
		ready := 0
		_, err := list(ctx, v.api, "/api/v1/nodes", jsonType, func(n nodeState) {
			if n.ready() {
				ready++
			}
		})
		return err == nil && ready == v.options.Nodes
	})
	if err != nil {
		return err
	}
	err = v.awaitAlive(ctx, "service accounts and root certificates", func() bool {
		for _, namespace := range []string{"default", "kube-system", "kube-public", "kube-node-lease"} {
			for _, object := range []string{"serviceaccounts/default", "configmaps/kube-root-ca.crt"} {
				if v.api.send(ctx, "GET", "/api/v1/namespaces/"+namespace+"/"+object, jsonType, nil) != nil {
					return false
				}
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	return saveBaseline(ctx, v.state.baseline())
}

// awaitAlive waits, unless a component ends.
func (v *supervisor) awaitAlive(ctx context.Context, what string, so func() bool) error {
	var broken error
	err := await(ctx, what, nil, func() bool {
		select {
		case broken = <-v.broken:
			return true
		default:
			return so()
		}
	})
	if broken != nil {
		return broken
	}
	return err
}
