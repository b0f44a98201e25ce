package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// endGrace is what the supervisor gets to end by itself; it kills its own, so
// it is quick.
const endGrace = 10 * time.Second

func up(ctx context.Context, args []string) error {
	s, err := openState()
	if err != nil {
		return err
	}
	wanted, err := parseOptions(args)
	if err != nil {
		return err
	}
	tools, err := newToolbox()
	if err != nil {
		return err
	}
	if wanted.Programs, err = tools.all(ctx, programs); err != nil {
		return err
	}
	if err := tools.addImages(ctx, &wanted); err != nil {
		return err
	}
	if wanted.Bed, err = os.Executable(); err != nil {
		return err
	}
	if err := os.MkdirAll(string(s), 0o700); err != nil {
		return err
	}
	unlock, err := lockFile(s.path("lock"), func() { say("waiting for another command on %s …", s) })
	if err != nil {
		return err
	}
	defer unlock()
	encoded, err := json.Marshal(wanted)
	if err != nil {
		return err
	}
	if now, _ := os.ReadFile(s.options()); s.alive() && string(now) == string(encoded) {
		say("the bed is up already: %s", s)
		return nil
	}
	if err := prepare(s, encoded, wanted.Programs); err != nil {
		return err
	}
	start := time.Now()
	if err := launch(ctx, s); err != nil {
		return err
	}
	say("ready in %.1f s: %s", time.Since(start).Seconds(), s)
	return nil
}

func parseOptions(args []string) (options, error) {
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	nodes := flags.Int("nodes", 2, "how many `nodes`")
	cordoned := flags.Bool("no-schedulable", false, "cordon all nodes, so that no pod finds one")
	archs := flags.String("arch", nodeArchs[0], "`architectures` of the nodes, by turns: amd64,arm64")
	form := flags.String("image-ids", imageForms[0], "`form` of imageID: "+strings.Join(imageForms, ", "))
	pid := flags.Int("while-pid", 0, "end the bed when the process `PID` has ended")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 || *nodes < 0 {
		return options{}, fmt.Errorf("up: cannot use %q, or that many nodes", flags.Args())
	}
	o := options{
		Nodes: *nodes, Schedulable: !*cordoned, WhilePID: *pid, Archs: strings.Split(*archs, ","), ImageIDs: *form,
	}
	for _, arch := range o.Archs {
		if !slices.Contains(nodeArchs, arch) {
			return options{}, fmt.Errorf("up: no architecture %q; there are: %s", arch, strings.Join(nodeArchs, ", "))
		}
	}
	if !slices.Contains(imageForms, *form) {
		return options{}, fmt.Errorf("up: no form %q of imageID; there are: %s", *form, strings.Join(imageForms, ", "))
	}
	return o, nil
}

// prepare ends a bed of another kind, and empties the directory of what it left.
func prepare(s state, options []byte, programs map[string]string) error {
	if s.alive() {
		say("the bed runs with other options or programs: starting it anew")
		if err := end(s); err != nil {
			return err
		}
	}
	if err := clear(s, "lock"); err != nil {
		return err
	}
	if err := os.MkdirAll(s.path("log"), 0o755); err != nil {
		return err
	}
	if err := linkPrograms(s, programs); err != nil {
		return err
	}
	return os.WriteFile(s.options(), options, 0o644)
}

// clear removes everything from the directory but what is named.
func clear(s state, keep ...string) error {
	entries, err := os.ReadDir(string(s))
	if err != nil {
		return err
	}
	kept := map[string]bool{}
	for _, name := range keep {
		kept[name] = true
	}
	for _, entry := range entries {
		if kept[entry.Name()] {
			continue
		}
		if err := os.RemoveAll(s.path(entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// launch starts the supervisor in its namespace, and waits until it says that
// the bed is ready. Should we end before, the broken pipe ends it.
func launch(ctx context.Context, s state) error {
	attr, err := inNamespace()
	if err != nil {
		return err
	}
	lifeline, keep, err := os.Pipe()
	if err != nil {
		return err
	}
	defer keep.Close()
	reports, progress, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reports.Close()
	held, err := holdPidFile(s)
	if err != nil {
		return err
	}
	output, err := os.Create(s.supervisorLog())
	if err != nil {
		return err
	}
	cmd := exec.Command("/proc/self/exe", "supervise")
	cmd.Stdout, cmd.Stderr = output, output
	cmd.ExtraFiles = []*os.File{lifeline, progress, held}
	cmd.SysProcAttr = attr
	err = cmd.Start()
	for _, file := range []*os.File{lifeline, progress, output} {
		file.Close()
	}
	if err != nil {
		held.Close()
		return fmt.Errorf("cannot make a user and network namespace (%w);\n"+
			"  for users other than root the kernel must allow it: user.max_user_namespaces above 0, and on\n"+
			"  Ubuntu kernel.apparmor_restrict_unprivileged_userns=0", err)
	}
	_, err = fmt.Fprintln(held, cmd.Process.Pid)
	held.Close()
	if err == nil {
		err = follow(ctx, reports, keep)
	}
	if err != nil {
		keep.Close()
		_ = cmd.Wait()
	}
	return err
}

func follow(ctx context.Context, reports io.Reader, keep io.Writer) error {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(reports); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return errors.New("interrupted: the bed is not up")
		case line, ok := <-lines:
			switch {
			case !ok:
				return errors.New("the supervisor has ended without a word: see log/supervisor.log")
			case line == readyWord:
				_, err := keep.Write([]byte{1})
				return err
			case strings.HasPrefix(line, failedWord):
				return errors.New(strings.ReplaceAll(strings.TrimPrefix(line, failedWord), "\t", "\n  "))
			default:
				say("%s …", line)
			}
		}
	}
}

// holdPidFile takes the lock that says "alive". The supervisor inherits it, so
// it is free exactly when the supervisor has ended.
func holdPidFile(s state) (*os.File, error) {
	file, err := os.OpenFile(s.pidFile(), os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, err
	}
	return file, syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

func (s state) alive() bool {
	file, err := os.Open(s.pidFile())
	if err != nil {
		return false
	}
	defer file.Close()
	return syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
}

func (s state) pid() (int, error) {
	data, err := os.ReadFile(s.pidFile())
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(data)))
}

func down(_ context.Context, _ []string) error {
	s, err := openState()
	if err != nil {
		return err
	}
	if !exists(string(s)) {
		say("no bed in %s", s)
		return nil
	}
	unlock, err := lockFile(s.path("lock"), func() { say("waiting for another command on %s …", s) })
	if err != nil {
		return err
	}
	defer unlock()
	if !s.alive() {
		say("no bed runs in %s", s)
	} else if err := end(s); err != nil {
		return err
	}
	return clear(s, "log", "lock")
}

// end stops the supervisor, and with it all that it has started.
func end(s state) error {
	pid, err := s.pid()
	if err != nil {
		return err
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), endGrace)
		err := await(ctx, "end of the bed", nil, func() bool { return !s.alive() })
		cancel()
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("process %d does not end", pid)
}

func status(ctx context.Context, _ []string) error {
	s, err := openState()
	if err != nil {
		return err
	}
	if !s.alive() {
		return fmt.Errorf("down (%s)", s)
	}
	answer, err := control(ctx, "GET", "/status")
	if err != nil {
		return err
	}
	fmt.Printf("up: %s\n%s", s, answer)
	return nil
}
