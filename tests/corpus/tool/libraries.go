package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Libraries of other makers, as far as they are recognised: by the name that a
// shared library gives itself, and by its texts.
var otherLibraries = []struct {
	name, soname string
	texts        []string
	fips         bool
}{
	{"openssl-fips-provider", "", []string{"OpenSSL FIPS Provider", "3.1.2", "Module_Integrity", "module-mac"}, true},
	{"openssl-1.1.1k-fips", "libcrypto.so.1.1", []string{"OpenSSL 1.1.1k  FIPS 25 Mar 2021"}, true},
	{"openssl-1.0.2k-fips-static", "", []string{"OpenSSL 1.0.2k-fips  26 Jan 2017"}, true},
	{"openssl-3.0.22", "libcrypto.so.3", []string{"OpenSSL 3.0.22 25 Aug 2026"}, false},
	{"nss-softokn", "libsoftokn3.so", []string{"Version: NSS 3.87.1 Basic ECC", "Generic NSS 3.87.1 Basic ECC Unvalidated"}, false},
	{"nss-softokn-fips", "libsoftokn3.so", []string{"Version: NSS 3.90.0 Basic ECC", "Red Hat Enterprise Linux 9 nss-softokn 3.90.0"}, true},
	{"nss-freebl", "libfreeblpriv3.so", []string{"Version: NSS 3.87.1 Basic ECC"}, false},
	{"nss", "libnss3.so", []string{"Version: NSS 3.87.1"}, false},
	{"libgcrypt-fips", "libgcrypt.so.20", []string{"This is Libgcrypt 1.10.0 - The GNU Crypto Library", "What am I, a doctor or a moonshuttle conductor?"}, true},
	{"libgcrypt", "libgcrypt.so.20", []string{"This is Libgcrypt 1.10.1 - The GNU Crypto Library"}, false},
	{"gnutls-fips", "libgnutls.so.30", []string{"Enabled GnuTLS 3.8.3 logging...", "GNUTLS_FORCE_FIPS_MODE"}, true},
	{"gnutls", "libgnutls.so.30", []string{"Enabled GnuTLS 3.7.9 logging..."}, false},
	{"bc-fips", "libbc-fips-avx.so", []string{"Java_org_bouncycastle_crypto_fips_NativeLibIdentity_getLibIdent"}, true},
	{"bc-fips-name-only", "libbc-fips-avx.so", []string{"no text at all"}, false},
	{"fips-name-only", "fips.so", []string{"no text at all"}, false},
	{"mbedtls", "libmbedcrypto.so.7", []string{"mbed TLS 2.28.3"}, false},
	{"botan", "libbotan-2.so.19", []string{"Botan 2.19.3 (unreleased, revision unknown)"}, false},
	{"talk-of-fips", "libtalk.so.1", []string{"needs Module_Integrity and module-mac", "the OpenSSL FIPS Provider is not active", "OpenSSL 3.0 or higher is required"}, false},
}

// libraries are shared libraries of C that say what those of other makers say.
func (b *builder) libraries() {
	for _, library := range otherLibraries {
		r := realRow("", library.name, "amd64", "a shared library with the texts of another maker's, which is no FIPS build", "standard")
		r.file, r.variant = "library-"+library.name, "-"
		if library.fips {
			is(groupRealFips, holdsYes, "a shared library with the texts of another maker's FIPS module, the value of which is elsewhere", "declared")(&r)
		}
		err := b.once(filepath.Join(b.dir, r.file), func(to string) error {
			var texts strings.Builder
			for _, text := range library.texts {
				fmt.Fprintf(&texts, "%q,", text)
			}
			args := []string{"-shared", "-fPIC", "-O1", "-s", "-DTEXTS=" + texts.String(), "-o", to, filepath.Join(b.source, "native", "library.c")}
			if library.soname != "" {
				args = append(args, "-Wl,-soname,"+library.soname)
			}
			if text, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
				return errors.New(lastLine(string(text), err))
			}
			return nil
		})
		if err != nil {
			b.refuse(r.file, lastLine(err.Error(), err))
			continue
		}
		b.add(r)
	}
}
