//go:build approved

package main

import _ "crypto/tls/fipsonly"
