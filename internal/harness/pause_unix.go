//go:build unix

package harness

import "syscall"

// Pause stops the process where it is (SIGSTOP), as a machine does that is suspended: its connections stay open and
// nobody answers. Resume lets it go on. Both do nothing to a process that has ended.
func (p *Process) Pause() { _ = p.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume ends Pause.
func (p *Process) Resume() { _ = p.cmd.Process.Signal(syscall.SIGCONT) }
