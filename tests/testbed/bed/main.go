// Command bed is a Kubernetes cluster without containers, for tests: the real
// control plane as plain processes in a network namespace of their own,
// simulated nodes, and the real istiod on the address of its pod. The script
// scripts/testbed builds and calls it; README.md tells what is real.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sort"
	"strings"
	"syscall"
)

// A command gets what stands after its name.
type command struct {
	run  func(ctx context.Context, args []string) error
	help string
}

func commands() map[string]command {
	return map[string]command{
		"up":        {up, "start the bed (building what is missing), wait until it is ready"},
		"down":      {down, "end the bed and everything it runs"},
		"status":    {status, "what runs, from which program"},
		"fetch":     {fetch, "build or download every program, make the images, start nothing"},
		"images":    {images, "make the images of the registry, and list them"},
		"registry":  {serveImages, "the registry without a cluster, while a command runs"},
		"image-ids": {imageIDs, "(inside) the form of imageID that the nodes report"},
		"reset":     {reset, "(inside) delete everything that was not there after up"},
		"scale":     {scale, "(inside) N pods that carry a sidecar"},
		"envoy":     {envoy, "(inside) answer for one pod address by a real upstream Envoy"},
		"supervise": {supervise, "(internal) the process that holds the bed"},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := dispatch(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "testbed:", err)
		os.Exit(1)
	}
}

func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("no command; there are: " + commandNames())
	}
	cmd, ok := commands()[args[0]]
	if !ok {
		return fmt.Errorf("no command %q; there are: %s", args[0], commandNames())
	}
	return cmd.run(ctx, args[1:])
}

func commandNames() string {
	var names []string
	for name := range commands() {
		names = append(names, name)
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}

// say tells the person at the terminal what is going on. Results go to stdout,
// everything else to stderr.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
