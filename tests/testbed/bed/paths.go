package main

import (
	"errors"
	"os"
	"path/filepath"
)

// What the script says about where things are. It sets all of them, so that
// the defaults stand in one place.
const (
	envDir    = "GLOOISTIO_TESTBED_DIR"
	envCache  = "GLOOISTIO_TESTBED_CACHE"
	envSource = "GLOOISTIO_TESTBED_SOURCE"
	envAssets = "GLOOISTIO_TESTBED_ASSETS"
)

// state is the directory of one running bed. Two beds in two directories never
// meet: each has its own network namespace.
type state string

func openState() (state, error) {
	dir := os.Getenv(envDir)
	if dir == "" {
		return "", errors.New(envDir + " is not set: call scripts/testbed")
	}
	dir, err := filepath.Abs(dir)
	return state(dir), err
}

func (s state) path(elements ...string) string {
	return filepath.Join(append([]string{string(s)}, elements...)...)
}

func (s state) pidFile() string    { return s.path("pid") }
func (s state) envFile() string    { return s.path("env") }
func (s state) kubeconfig() string { return s.path("kubeconfig") }
func (s state) baseline() string   { return s.path("baseline.json") }
func (s state) options() string    { return s.path("options.json") }
func (s state) supervisorLog() string {
	return s.path("log", "supervisor.log")
}
