//go:build unix

package mediatest

import (
	"os/exec"
	"syscall"
)

// ownGroup has a command's processes in a group of their own, so that killGroup meets them all and nobody else.
func ownGroup(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func killGroup(c *exec.Cmd) { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
