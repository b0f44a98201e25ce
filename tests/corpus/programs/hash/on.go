//go:build on

//go:debug fips140=on
package main
