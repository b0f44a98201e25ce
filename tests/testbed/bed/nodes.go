package main

import (
	"strconv"
	"strings"
)

var nodeArchs = []string{"amd64", "arm64"}

func nodeName(n int) string { return "node-" + strconv.Itoa(n) }

func (o options) arch(n int) string { return o.Archs[(n-1)%len(o.Archs)] }

// archOf is that of a node by its name; of the first one for a pod without any.
func (o options) archOf(node string) string {
	n, err := strconv.Atoi(strings.TrimPrefix(node, "node-"))
	if err != nil || n < 1 {
		n = 1
	}
	return o.arch(n)
}

// node is what a kubelet would register: kwok fills in the conditions.
func node(n int, schedulable bool, arch string) map[string]any {
	name := nodeName(n)
	resources := map[string]any{"cpu": "64000", "memory": "64Ti", "ephemeral-storage": "64Ti", "pods": "20000"}
	return map[string]any{
		"apiVersion": "v1", "kind": "Node",
		"metadata": map[string]any{
			"name": name,
			"labels": map[string]any{
				"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": arch,
				"type": "kwok",
			},
		},
		"spec": map[string]any{"unschedulable": !schedulable},
		"status": map[string]any{
			"allocatable": resources, "capacity": resources,
			"nodeInfo": map[string]any{
				"architecture": arch, "operatingSystem": "linux", "kubeletVersion": "v" + kubeVersion,
				"kubeProxyVersion": "", "containerRuntimeVersion": "containerd://2.1.4",
				"osImage": "kwok " + kwokVersion + " (simulated)", "kernelVersion": "6.1.0", "machineID": name,
				"bootID": name, "systemUUID": name,
			},
		},
	}
}
