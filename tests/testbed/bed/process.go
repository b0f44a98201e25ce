package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A process of the bed. It gets SIGKILL from the kernel when the supervisor
// ends, however that ends.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // why; to be read after done

	replaced atomic.Bool // its end is no failure
}

// spawner starts processes from one thread that lives as long as the program:
// the kernel's parent death signal follows the thread, not the process.
type spawner struct {
	requests chan func()
	mu       sync.Mutex
	running  map[*process]bool
}

func newSpawner() *spawner {
	s := &spawner{requests: make(chan func()), running: map[*process]bool{}}
	go func() {
		runtime.LockOSThread()
		for request := range s.requests {
			request()
		}
	}()
	return s
}

// start runs a program with its output in a log file. env is added to PATH
// and HOME; nothing else of our own environment is handed on.
func (s *spawner) start(name, logFile, dir string, env []string, path string, args ...string) (*process, error) {
	if err := os.MkdirAll(filepath.Dir(logFile), 0o755); err != nil {
		return nil, err
	}
	output, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	s.requests <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := &process{name: name, log: logFile, cmd: cmd, done: make(chan struct{})}
	s.mu.Lock()
	s.running[p] = true
	s.mu.Unlock()
	go s.await(p)
	return p, nil
}

func (s *spawner) await(p *process) {
	err := p.cmd.Wait()
	s.mu.Lock()
	delete(s.running, p)
	s.mu.Unlock()
	if err == nil {
		err = fmt.Errorf("exit status 0")
	}
	data, _ := os.ReadFile(p.log)
	p.err = fmt.Errorf("%s ended: %w; its last lines (%s):\n%s", p.name, err, p.log, tail(string(data), 8))
	close(p.done)
}

// stop ends a process and waits for it: its addresses are free afterwards.
func (p *process) stop(grace time.Duration) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return
	case <-time.After(grace):
	}
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stopAll ends everything. What a process had to say is of no use any more,
// so it gets no time to say it.
func (s *spawner) stopAll() {
	for _, p := range s.list() {
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

func (s *spawner) list() []*process {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*process
	for p := range s.running {
		all = append(all, p)
	}
	return all
}
