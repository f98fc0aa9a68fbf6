package mediatest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"linkspan/internal/clock"
)

// SambaTB is the part of testing.TB that the file server needs.
type SambaTB = AzuriteTB

// Samba is a running file server with one share.
type Samba struct {
	// Address is 127.0.0.1:port. Share is the share's name, User and Password who may use it, Domain what User may have
	// before it.
	Address, Share, User, Password, Domain string
	// Folder is the share's folder on this machine: what is put there is on the share.
	Folder string

	conf string
	run  *exec.Cmd
	gone chan struct{}
}

// SambaOptions are lines for the server's configuration.
type SambaOptions struct {
	// Global is for the server, Own for the share, Shares for whole further sections.
	Global, Own, Shares string
	// Folder is the share's folder on this machine; "" makes one for the test.
	Folder string
}

const samba = `[global]
netbios name = LINKSPANTEST
server role = standalone server
security = user
map to guest = never
passdb backend = tdbsam:%[1]s/passdb.tdb
private dir = %[1]s/private
lock directory = %[1]s/lock
state directory = %[1]s/state
cache directory = %[1]s/cache
pid directory = %[1]s/pid
ncalrpc dir = %[1]s/ncalrpc
log file = %[1]s/log
smb ports = %[2]s
interfaces = 127.0.0.1
bind interfaces only = yes
disable netbios = yes
disable spoolss = yes
load printers = no
server min protocol = SMB2
%[4]s
[backups]
path = %[3]s
read only = no
%[5]s
%[6]s
`

// StartSamba runs a file server until the end of the test, which fails when Samba is not installed.
func StartSamba(t SambaTB, o SambaOptions) *Samba {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, d := range []string{"private", "lock", "state", "cache", "pid", "ncalrpc", "share"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if o.Folder == "" {
		o.Folder = filepath.Join(dir, "share")
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Samba{Address: l.Addr().String(), Share: "backups", User: me.Username, Password: "Secret-of-Samba-1", Domain: "LINKSPANTEST", Folder: o.Folder,
		conf: filepath.Join(dir, "smb.conf")}
	l.Close()
	_, port, _ := net.SplitHostPort(s.Address)
	if err := os.WriteFile(s.conf, fmt.Appendf(nil, samba, dir, port, o.Folder, o.Global, o.Own, o.Shares), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Know(t, s.User)
	t.Cleanup(s.Kill)
	s.Start(t)
	return s
}

// Know has the server know a user of this machine, under the password of all.
func (s *Samba) Know(t SambaTB, name string) {
	t.Helper()
	add := exec.CommandContext(t.Context(), "smbpasswd", "-c", s.conf, "-a", "-s", name)
	add.Stdin = strings.NewReader(s.Password + "\n" + s.Password + "\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("make a Samba user (scripts/deps.sh installs Samba): %v: %s", err, out)
	}
}

// Start runs a server that was killed, on the same port.
func (s *Samba) Start(t SambaTB) {
	t.Helper()
	smbd, err := exec.LookPath("smbd")
	if err != nil {
		t.Fatal("smbd is not installed (scripts/deps.sh installs it)")
	}
	s.run = exec.CommandContext(context.WithoutCancel(t.Context()), smbd, "--foreground", "--no-process-group", "--debug-stdout", "-s", s.conf)
	ownGroup(s.run)
	if err := s.run.Start(); err != nil {
		t.Fatal(err)
	}
	s.gone = make(chan struct{})
	go func() {
		_ = s.run.Wait()
		close(s.gone)
	}()
	late, stop := clock.System.After(30 * time.Second)
	defer stop()
	for {
		if c, err := new(net.Dialer).DialContext(context.WithoutCancel(t.Context()), "tcp", s.Address); err == nil {
			c.Close()
			return
		}
		again, stop := clock.System.After(20 * time.Millisecond)
		select {
		case <-late:
			t.Fatal("the file server does not start")
		case <-s.gone:
			t.Fatal("the file server ended at once")
		case <-again:
		}
		stop()
	}
}

// Kill ends the server and its connections at once, as a machine that fails does. It may be started again.
func (s *Samba) Kill() {
	if s.run == nil || s.run.Process == nil {
		return
	}
	killGroup(s.run)
	<-s.gone
	s.run = nil
}

// Administer runs one of Samba's programs on the server's configuration: smbpasswd, pdbedit, net.
func (s *Samba) Administer(t SambaTB, program string, args ...string) {
	t.Helper()
	with := "-s"
	if program == "smbpasswd" {
		with = "-c"
	}
	if out, err := exec.CommandContext(t.Context(), program, append([]string{with, s.conf}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", program, strings.Join(args, " "), err, out)
	}
}
