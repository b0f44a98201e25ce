package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

const (
	apiAddress = "127.0.0.1:6443"
	apiURL     = "https://" + apiAddress
	validity   = 365 * 24 * time.Hour
)

// authority signs the certificates of one bed.
type authority struct {
	dir  func(name string) string
	cert *x509.Certificate
	key  crypto.Signer
}

// makeCerts writes everything that proves an identity in the bed into the
// directory pki, and the admin's kubeconfig.
func makeCerts(s state) error {
	if err := os.MkdirAll(s.path("pki"), 0o700); err != nil {
		return err
	}
	ca := &authority{dir: func(name string) string { return s.path("pki", name) }}
	if err := ca.create(); err != nil {
		return err
	}
	for _, c := range []struct{ name, user, group string }{
		{"apiserver", "kube-apiserver", ""},
		{"kubelet", "system:node:testbed", ""},
		{"kubelet-client", "kube-apiserver-kubelet-client", "system:masters"},
		{"admin", "testbed-admin", "system:masters"},
	} {
		if err := ca.issue(c.name, c.user, c.group); err != nil {
			return err
		}
	}
	if err := serviceAccountKeys(ca.dir("sa.key"), ca.dir("sa.pub")); err != nil {
		return err
	}
	return writeKubeconfig(s)
}

func (a *authority) create() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	a.key = key
	a.cert = template("testbed-ca", "")
	a.cert.IsCA, a.cert.BasicConstraintsValid = true, true
	a.cert.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	return a.write("ca", a.cert, key)
}

// issue makes a certificate that is good for both ends of a connection. The
// extensions matter: rustls refuses a certificate of X.509 version 1.
func (a *authority) issue(name, user, group string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	cert := template(user, group)
	cert.KeyUsage = x509.KeyUsageDigitalSignature
	cert.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	cert.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1)}
	cert.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	return a.write(name, cert, key)
}

func template(user, group string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	subject := pkix.Name{CommonName: user}
	if group != "" {
		subject.Organization = []string{group}
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(validity),
	}
}

func (a *authority) write(name string, cert *x509.Certificate, key crypto.Signer) error {
	der, err := x509.CreateCertificate(rand.Reader, cert, a.cert, key.Public(), a.key)
	if err != nil {
		return err
	}
	if err := writePEM(a.dir(name+".crt"), "CERTIFICATE", der); err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(a.dir(name+".key"), "PRIVATE KEY", private)
}

func serviceAccountKeys(keyFile, pubFile string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	if err := writePEM(keyFile, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)); err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return writePEM(pubFile, "PUBLIC KEY", public)
}

func writePEM(path, kind string, der []byte) error {
	var out bytes.Buffer
	if err := pem.Encode(&out, &pem.Block{Type: kind, Bytes: der}); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o600)
}

const kubeconfigFormat = `apiVersion: v1
kind: Config
current-context: testbed
contexts:
- name: testbed
  context: {cluster: testbed, user: admin}
clusters:
- name: testbed
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: admin
  user:
    client-certificate-data: %s
    client-key-data: %s
`

// writeKubeconfig makes one file that can be copied and changed by a test.
func writeKubeconfig(s state) error {
	var data []any
	for _, name := range []string{"ca.crt", "admin.crt", "admin.key"} {
		content, err := os.ReadFile(s.path("pki", name))
		if err != nil {
			return err
		}
		data = append(data, base64.StdEncoding.EncodeToString(content))
	}
	text := fmt.Sprintf(kubeconfigFormat, append([]any{apiURL}, data...)...)
	return os.WriteFile(s.kubeconfig(), []byte(text), 0o600)
}
