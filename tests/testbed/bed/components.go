package main

import (
	_ "embed"
	"net/netip"
)

//go:embed kwok.yaml
var kwokConfig []byte

// A component is a program that must run all the time, with the flags that
// matter here.
type component struct {
	name    string
	program string // if it is not the name
	args    []string
}

func etcdComponent(s state) component {
	return component{name: "etcd", args: []string{
		"--data-dir=" + s.path("etcd"),
		"--listen-client-urls=http://" + etcdAddress, "--advertise-client-urls=http://" + etcdAddress,
		"--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
		"--initial-cluster=default=http://127.0.0.1:2380",
		// What a crash would lose is of no use here.
		"--unsafe-no-fsync",
		"--quota-backend-bytes=8589934592", "--log-level=warn",
	}}
}

func apiServerComponent(s state) component {
	pki := func(name string) string { return s.path("pki", name) }
	return component{name: "kube-apiserver", args: []string{
		"--etcd-servers=http://" + etcdAddress,
		"--bind-address=127.0.0.1", "--secure-port=6443", "--advertise-address=127.0.0.1",
		"--cert-dir=" + s.path("pki"),
		"--tls-cert-file=" + pki("apiserver.crt"), "--tls-private-key-file=" + pki("apiserver.key"),
		"--client-ca-file=" + pki("ca.crt"), "--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-signing-key-file=" + pki("sa.key"), "--service-account-key-file=" + pki("sa.pub"),
		"--service-cluster-ip-range=10.96.0.0/16", "--allow-privileged=true",
		"--endpoint-reconciler-type=none",
		// Webhooks are called on the address of the pod: there are no service addresses.
		"--enable-aggregator-routing=true",
		"--kubelet-preferred-address-types=InternalIP",
		"--kubelet-client-certificate=" + pki("kubelet-client.crt"),
		"--kubelet-client-key=" + pki("kubelet-client.key"),
		"--event-ttl=1h",
	}}
}

// bulk lifts the default of 20 requests a second: with it 10,000 pods take
// eight minutes.
func bulk(s state) []string {
	return []string{
		"--kubeconfig=" + s.kubeconfig(), "--leader-elect=false", "--bind-address=127.0.0.1",
		"--cert-dir=" + s.path("pki"), "--kube-api-qps=2000", "--kube-api-burst=4000",
	}
}

func controllerManagerComponent(s state) component {
	return component{name: "kube-controller-manager", args: append(bulk(s),
		"--controllers=*,-nodeipam,-node-ipam-controller,-route,-node-route-controller,-service-lb-controller",
		"--service-account-private-key-file="+s.path("pki", "sa.key"),
		"--root-ca-file="+s.path("pki", "ca.crt"),
		"--cluster-signing-cert-file="+s.path("pki", "ca.crt"),
		"--cluster-signing-key-file="+s.path("pki", "ca.key"),
		// Simulated nodes send no heartbeats, and a loaded machine must not
		// make them look lost.
		"--node-monitor-period=1s", "--node-monitor-grace-period=240h",
	)}
}

func schedulerComponent(s state) component {
	return component{name: "kube-scheduler", args: bulk(s)}
}

// The other half of the pod network is for `scale`.
var kwokNetwork = netip.MustParsePrefix("10.244.0.0/17")

var firstPodAddress = netip.MustParseAddr("10.244.0.1")

// kwokComponent serves its part of the kubelet API behind kubelet-streaming.
// Its pods get the addresses after the one that is given.
func kwokComponent(s state, after netip.Addr) component {
	return component{name: "kwok", args: []string{
		"--kubeconfig=" + s.kubeconfig(), "--config=" + s.path("kwok.yaml"),
		"--manage-all-nodes=true", "--cidr=" + netip.PrefixFrom(after, kwokNetwork.Bits()).String(),
		"--node-ip=127.0.0.1", "--node-port=10250", "--server-address=" + kwokAddress,
		"--node-lease-duration-seconds=0", "--v=WARN",
	}}
}

func kubeletComponent(s state) component {
	return component{name: "kubelet-streaming", args: []string{
		"-listen=127.0.0.1:10250",
		"-cert=" + s.path("pki", "kubelet.crt"), "-key=" + s.path("pki", "kubelet.key"),
		"-client-ca=" + s.path("pki", "ca.crt"),
		"-kwok=http://" + kwokAddress, "-pods=http://" + controlAddress + "/pod",
	}}
}

const (
	etcdAddress = "127.0.0.1:2379"
	kwokAddress = "127.0.0.1:10247"
)
