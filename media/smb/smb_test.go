package smb_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linkspan/media/mediatest"
	"linkspan/media/smb"
)

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
smb ports = %[2]d
interfaces = 127.0.0.1
bind interfaces only = yes
disable netbios = yes
disable spoolss = yes
load printers = no
server min protocol = SMB2
[backups]
path = %[1]s/share
read only = yes
`

// startSamba runs a file server for the test and gives its address, and the user who may log in with "secret".
func startSamba(t *testing.T) (address, name string) {
	t.Helper()
	smbd, err := exec.LookPath("smbd")
	if err != nil {
		t.Fatal("smbd is not installed (scripts/deps.sh installs it)")
	}
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
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	conf := filepath.Join(dir, "smb.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, samba, dir, port), 0o600); err != nil {
		t.Fatal(err)
	}
	for n, b := range mediatest.Contents() {
		p := filepath.Join(dir, "share", "nightly", filepath.FromSlash(n))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	add := exec.CommandContext(t.Context(), "smbpasswd", "-c", conf, "-a", "-s", me.Username)
	add.Stdin = strings.NewReader("secret\nsecret\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("make a Samba user: %v: %s", err, out)
	}
	run(t, exec.CommandContext(context.WithoutCancel(t.Context()), smbd, "--foreground", "--no-process-group", "--debug-stdout", "-s", conf))
	return waitFor(t, fmt.Sprintf("127.0.0.1:%d", port)), me.Username
}

// run starts a command that ends with the test.
func run(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		done := make(chan struct{})
		go func() {
			_ = c.Wait()
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			_ = c.Process.Kill()
			<-done
		}
	})
}

// waitFor waits until a server listens.
func waitFor(t *testing.T, address string) string {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		if c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address); err == nil {
			c.Close()
			return address
		}
		select {
		case <-deadline:
			t.Fatal("the file server does not start")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestShare(t *testing.T) {
	t.Parallel()
	address, name := startSamba(t)
	ctx := context.Background()
	for _, user := range []string{name, `LINKSPANTEST\` + name} {
		src, err := smb.Open(ctx, smb.Options{Address: address, Share: "backups", Folder: "/nightly/", User: user, Password: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		mediatest.Exercise(t, src)
		if err := errors.Join(src.Close(), src.Close()); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if _, err := smb.Open(ctx, smb.Options{Address: address, Share: "backups", User: name, Password: "wrong"}); err == nil || !strings.Contains(err.Error(), "log in to file server") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("a wrong password: %v", err)
	}
	if _, err := smb.Open(ctx, smb.Options{Address: address, Share: "nothing", User: name, Password: "secret"}); err == nil || !strings.Contains(err.Error(), "open share nothing") {
		t.Errorf("a wrong share: %v", err)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	if _, err := smb.Open(context.Background(), smb.Options{Share: "a/b"}); err == nil || !strings.Contains(err.Error(), "address is missing") || !strings.Contains(err.Error(), "not the name of a share") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := smb.Open(ctx, smb.Options{Address: "127.0.0.1:1", Share: "a"}); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unreachable: %v", err)
	}
}
