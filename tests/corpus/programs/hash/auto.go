//go:build auto

//go:debug fips140=auto
package main
