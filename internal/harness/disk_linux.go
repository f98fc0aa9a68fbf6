package harness

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Disk is a small file system of its own, in memory, that lies over a directory: only programs started by Command see
// it. It can be filled up, and outlives the programs on it, so that one may be killed and started again.
type Disk struct {
	dir    string
	holder *exec.Cmd
	hold   io.Closer
	enter  []string
}

// StartDisk makes a disk of so many MiB over dir, which exists. It needs user namespaces, or to be root.
func StartDisk(ctx context.Context, dir string, mib int) (*Disk, error) {
	var errs []error
	for _, how := range []struct{ unshare, enter []string }{
		{[]string{"-Urm"}, []string{"-U", "-m", "--preserve-credentials"}},
		{[]string{"-m"}, []string{"-m"}}, // root where user namespaces are forbidden
	} {
		d, err := startDisk(ctx, dir, mib, how.unshare, how.enter)
		if err == nil {
			return d, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("no small disk can be made; it takes user namespaces (sysctl user.max_user_namespaces) or root: %w", errors.Join(errs...))
}

// holding mounts, says so, and ends when its standard input does: with the test, whatever happens to that.
const holding = `mount -t tmpfs -o size="$1"m,mode=0700 tmpfs "$2" && echo mounted && exec cat`

func startDisk(ctx context.Context, dir string, mib int, unshare, enter []string) (*Disk, error) {
	args := append(append([]string{}, unshare...), "sh", "-c", holding, "sh", strconv.Itoa(mib), dir)
	d := &Disk{dir: dir, holder: exec.CommandContext(ctx, "unshare", args...)}
	var said strings.Builder
	d.holder.Stderr = &said
	in, err := d.holder.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := d.holder.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.holder.Start(); err != nil {
		return nil, err
	}
	d.hold = in
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return nil, fmt.Errorf("unshare %v: %q: %w: %s", unshare, line, errors.Join(err, d.Close()), said.String())
	}
	d.enter = append([]string{"-t", strconv.Itoa(d.holder.Process.Pid)}, enter...)
	return d, nil
}

// Command prepares a program to run on the disk. The process is the program's own: killing it kills the program.
func (d *Disk) Command(program string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append(append(append([]string{}, d.enter...), "--", program), args...)...)
}

// Path is where a path that programs on the disk see is seen by everybody else.
func (d *Disk) Path(name string) string {
	return filepath.Join("/proc", strconv.Itoa(d.holder.Process.Pid), "root", name)
}

func (d *Disk) ballast() string { return d.Path(filepath.Join(d.dir, "ballast")) }

// Fill takes all the space there is now.
func (d *Disk) Fill() error {
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	for size := 1 << 20; size > 0; { // ever smaller pieces, to the last page
		if _, err = f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// Empty gives back what Fill took.
func (d *Disk) Empty() error { return os.Remove(d.ballast()) }

// Close lets the disk go. The programs on it MUST have ended.
func (d *Disk) Close() error {
	return errors.Join(d.hold.Close(), d.holder.Wait())
}
