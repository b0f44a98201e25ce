package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// confirm runs what can be run here. A module checks itself when the program
// starts: what the truth calls broken must die, everything else must live.
func confirm(dir string) error {
	rows, err := readTruth(dir)
	if err != nil {
		return err
	}
	runs, wrong := 0, 0
	for _, r := range rows {
		if !r.runs() {
			continue
		}
		runs++
		err := start(filepath.Join(dir, r.file))
		if dies := err != nil; dies != r.dies() {
			wrong++
			fmt.Printf("%s: dies %t (%v), should %t: %s\n", r.file, dies, err, r.dies(), r.why)
		}
	}
	fmt.Printf("%d programs run, %d not as they should\n", runs, wrong)
	if wrong > 0 {
		return errors.New("the truth is not true")
	}
	return nil
}

// runs says whether the file is one of our own programs that this machine can
// start.
func (r row) runs() bool {
	own := slices.Contains([]string{"hash", "other", "tiny", "tls", "large", "stub", "carrier", "exit", "native"}, r.program)
	return own && r.arch == runtime.GOARCH && r.group != groupOther && !strings.HasPrefix(r.variant, "c-shared") && r.variant != "plugin" && r.program != "large"
}

// dies says whether a module finds itself broken. BoringCrypto checks itself
// always; Go's module only where it is on, so not in a boringcrypto build.
func (r row) dies() bool {
	_, place, flipped := strings.Cut(r.variant, "flip-")
	switch {
	case r.variant == "godebug-auto", r.variant == "asan", strings.HasSuffix(r.variant, "forged-interpreter"):
		return true
	case strings.HasPrefix(r.variant, "ext-pie-lld") && r.holds == holdsBroken:
		return true
	case strings.HasSuffix(r.variant, "-second-whole"), strings.HasSuffix(r.variant, "-first-whole"):
		return true
	case !flipped || r.holds != holdsBroken:
		return false
	case r.config == boring.name, r.program == "native":
		return slices.Contains([]string{"first", "middle", "last", "stored"}, place)
	}
	return true
}

func start(path string) error {
	ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	command := exec.CommandContext(ctx, path)
	command.Env = []string{}
	return command.Run()
}
