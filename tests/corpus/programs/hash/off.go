//go:build off

//go:debug fips140=off
package main
