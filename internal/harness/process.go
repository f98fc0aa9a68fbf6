package harness

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Build compiles the product with the build tags into dir and returns the program's path.
func Build(ctx context.Context, dir string, tags ...string) (string, error) {
	bin := filepath.Join(dir, strings.Join(append([]string{"linkspan"}, tags...), "-"))
	out, err := exec.CommandContext(ctx, "go", "build", "-tags", strings.Join(tags, ","), "-o", bin, "linkspan/cmd/linkspan").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build linkspan: %w\n%s", err, out)
	}
	return bin, nil
}

// Process is a running command that printed one line of JSON when it was ready.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended

	mu     sync.Mutex // protects stderr and err
	stderr bytes.Buffer
	err    error
}

// Write takes the process's standard error. It is for the process only.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.Write(b)
}

// Start runs the program and waits until it prints its ready line, which is decoded into ready. When it ends before,
// the error holds what it said.
func Start(ctx context.Context, ready any, program string, args ...string) (*Process, error) {
	return StartCommand(ctx, ready, exec.Command(program, args...))
}

// StartCommand is Start of a command that was prepared: with an environment, or inside a Disk. The harness takes its
// standard output and error.
func StartCommand(ctx context.Context, ready any, cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, done: make(chan struct{})}
	p.cmd.Env = append(p.cmd.Environ(), "GOTRACEBACK=all")
	p.cmd.Stderr = p
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line := make(chan []byte, 1)
	go p.wait(bufio.NewReader(stdout), line)
	select {
	case b := <-line:
		if err := json.Unmarshal(b, ready); err != nil {
			p.Kill()
			return nil, fmt.Errorf("%v is not ready: %q\n%s", cmd.Args, b, p.Stderr())
		}
		return p, nil
	case <-ctx.Done():
		p.dump()
		p.Kill()
		return nil, fmt.Errorf("%v is not ready in time: %w\n%s", cmd.Args, context.Cause(ctx), p.Stderr())
	}
}

// dump has the process write where its goroutines are, and end.
func (p *Process) dump() {
	_ = p.cmd.Process.Signal(syscall.SIGQUIT) // it may have ended
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
	}
}

func (p *Process) wait(out *bufio.Reader, line chan<- []byte) {
	b, _ := out.ReadBytes('\n')
	line <- b
	for { // a process that prints more must not block
		if _, err := out.ReadBytes('\n'); err != nil {
			break
		}
	}
	err := p.cmd.Wait()
	p.mu.Lock()
	p.err = err
	p.mu.Unlock()
	close(p.done)
}

// Stderr is what the process has printed to standard error.
func (p *Process) Stderr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill ends the process at once (SIGKILL), as a crash would, and waits for its end. Idempotent.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// Stop asks the process to end (SIGINT) and returns how it ended.
func (p *Process) Stop(ctx context.Context) error {
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.err
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("the process did not stop: %w\n%s", context.Cause(ctx), p.Stderr())
	}
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }
