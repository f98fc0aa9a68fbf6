//go:build unix

package smb_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"linkspan/media/mediatest"
	"linkspan/media/smb"
)

// is checks an error's kind, that it holds the words, and no password.
func is(t *testing.T, err error, kind smb.Kind, words ...string) {
	t.Helper()
	var e *smb.Error
	if !errors.As(err, &e) || e.Kind != kind {
		t.Fatalf("kind %v is wanted of %#v: %v", kind, e, err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "Secret") || strings.Contains(err.Error(), "wrong-one") {
		t.Errorf("%q holds the password", err)
	}
	t.Log(err)
}

func TestLogons(t *testing.T) {
	t.Parallel()
	s := mediatest.StartSamba(t, mediatest.SambaOptions{Shares: "[closed]\npath = /\nvalid users = somebodyelse\n"})
	for name, c := range map[string]struct {
		change func(*smb.Options)
		kind   smb.Kind
		words  []string
	}{
		"wrong password": {func(o *smb.Options) { o.Password = "wrong-one" }, smb.Logon, []string{"does not let " + s.User, "wrong password", "1326", `DOMAIN\name`}},
		"no password":    {func(o *smb.Options) { o.Password = "" }, smb.Logon, []string{"log in"}},
		"unknown user":   {func(o *smb.Options) { o.User = `AD\nobody-we-know` }, smb.Logon, []string{`AD\nobody-we-know`, "unknown user"}},
		"a full name":    {func(o *smb.Options) { o.User = "nobody@ad.example.com" }, smb.Logon, []string{"nobody@ad.example.com"}},
		"no such share":  {func(o *smb.Options) { o.Share = "nothing" }, smb.NoShare, []string{`\\127.0.0.1\nothing`, "67", "net view"}},
		"a closed share": {func(o *smb.Options) { o.Share = "closed" }, smb.Denied, []string{"access is denied", "right to read"}},
		"loopback check": {func(o *smb.Options) {
			o.Address, o.Password = strings.Replace(o.Address, "127.0.0.1", "localhost", 1), "wrong-one"
		}, smb.Logon, []string{"loopback check"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(s)
			c.change(&o)
			_, err := smb.Open(t.Context(), o)
			is(t, err, c.kind, c.words...)
		})
	}
}

// A server that would take anybody as a guest is not trusted with what we read: a guest's messages are not signed.
func TestGuest(t *testing.T) {
	t.Parallel()
	s := mediatest.StartSamba(t, mediatest.SambaOptions{Global: "map to guest = bad user", Own: "guest ok = yes"})
	o := options(s)
	o.User = "nobody-we-know"
	_, err := smb.Open(t.Context(), o)
	is(t, err, smb.NoSigning, "guest")
}

func TestAccount(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(s *mediatest.Samba)
		word  string
		fix   string
	}{
		"disabled": {func(s *mediatest.Samba) { s.Administer(t, "smbpasswd", "-d", s.User) }, "disabled", "enable"},
		"locked": {func(s *mediatest.Samba) {
			s.Administer(t, "pdbedit", "-P", "bad lockout attempt", "-C", "2")
			for range 3 {
				o := options(s)
				o.Password = "wrong-one"
				_, _ = smb.Open(t.Context(), o)
			}
		}, "locked out", "unlock"},
		"to be changed": {func(s *mediatest.Samba) { s.Administer(t, "net", "sam", "set", "pwdmustchangenow", s.User, "yes") }, "must be changed", "change the password"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mediatest.StartSamba(t, mediatest.SambaOptions{})
			c.spoil(s)
			_, err := smb.Open(t.Context(), options(s))
			is(t, err, smb.Logon, c.word, c.fix)
		})
	}
}

func TestUnreached(t *testing.T) {
	t.Parallel()
	within := func(address string, timeout time.Duration) error {
		_, err := smb.Open(context.Background(), smb.Options{Address: address, Share: "backups", User: `AZURE\account`, Password: "Secret", DialTimeout: timeout, LoginTimeout: timeout})
		return err
	}
	at := func(address string) error { return within(address, time.Minute) }
	soon := func(address string) error { return within(address, 300*time.Millisecond) }
	is(t, at("no-such-server.invalid"), smb.NoPath, "system error 53", "DNS")
	is(t, at("account.file.core.windows.invalid"), smb.NoPath, "storage account's firewall", "virtual network")
	l := listen(t, func(c net.Conn) { c.Close() })
	is(t, at(l), smb.Refused, "57")
	is(t, soon(listen(t, func(net.Conn) {})), smb.NoAnswer, "445", "firewall")
	is(t, at(listen(t, func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) })), smb.NotSMB)
	is(t, at(listen(t, func(c net.Conn) {
		_, _ = c.Write(append([]byte{0, 0, 0, 72, 0xff}, append([]byte("SMB"), make([]byte, 68)...)...))
	})), smb.NotSMB, "SMB 1")
	is(t, at(closedPort(t)), smb.Refused, "57", "445")
	is(t, soon(blackHole(t)), smb.NoAnswer, "53", "445")
}

// blackHole is an address at which nobody answers and nobody refuses: a queue of connections that is full.
func blackHole(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	err = errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0))
	name, gerr := syscall.Getsockname(fd)
	if err := errors.Join(err, gerr); err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*syscall.SockaddrInet4).Port))
	for range 8 {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		cancel()
		if err != nil {
			break
		}
		t.Cleanup(func() { c.Close() })
	}
	return address
}

// What the caller gives up is given up at once.
func TestCancelled(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	address := listen(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		close(asked)
	})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-asked
		cancel()
	}()
	_, err := smb.Open(ctx, smb.Options{Address: address, Share: "backups", User: "u"})
	var e *smb.Error
	if !errors.Is(err, context.Canceled) || errors.As(err, &e) {
		t.Errorf("error %v", err)
	}
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// listen takes one connection after another and hands each to do; they are closed at the end of the test.
func listen(t *testing.T, do func(net.Conn)) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			do(c)
		}
	}()
	return l.Addr().String()
}

func TestFilesDenied(t *testing.T) {
	t.Parallel()
	s := mediatest.StartSamba(t, mediatest.SambaOptions{})
	s.Know(t, "nobody") // root reads everything
	fill(t, s, "nightly")
	for _, p := range []string{s.Folder, filepath.Dir(s.Folder), filepath.Dir(filepath.Dir(s.Folder))} {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for p, mode := range map[string]os.FileMode{"nightly/logs": 0o700, "nightly/a.bak": 0o600} {
		if err := os.Chmod(filepath.Join(s.Folder, p), mode); err != nil {
			t.Fatal(err)
		}
	}
	o := options(s)
	o.User = "nobody"
	src := open(t, o)
	_, err := src.Files(t.Context(), "nightly/logs")
	is(t, err, smb.Denied, `\\127.0.0.1\backups\nightly\logs`, "right to read")
	_, err = src.Open(t.Context(), "nightly/a.bak")
	is(t, err, smb.Denied)
	if !errors.Is(err, fs.ErrPermission) {
		t.Error("it is no fs.ErrPermission")
	}
	_, err = src.Files(t.Context(), "weekly")
	is(t, err, smb.NoFolder, "weekly")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("it is no fs.ErrNotExist")
	}
	_, err = src.Open(t.Context(), "nightly/b.bak")
	is(t, err, smb.NoFile)
	_, err = src.Open(t.Context(), `nightly/b:*?.bak`)
	is(t, err, smb.BadName)
	if _, err := src.Files(t.Context(), "nightly"); err != nil {
		t.Errorf("what is open to all: %v", err)
	}
}

// A server that fails is Lost, and the same server is there again for who connects anew.
func TestServerGone(t *testing.T) {
	t.Parallel()
	s := mediatest.StartSamba(t, mediatest.SambaOptions{})
	fill(t, s, "")
	src := open(t, options(s))
	f, err := src.Open(t.Context(), "logs/deep/c.trn")
	if err != nil {
		t.Fatal(err)
	}
	s.Kill()
	_, err = f.ReadAt(make([]byte, 3<<20), 0)
	is(t, err, smb.Lost)
	_, err = src.Files(t.Context(), "")
	is(t, err, smb.Lost)
	_ = f.Close()
	_, err = smb.Open(t.Context(), options(s))
	is(t, err, smb.Refused)
	s.Start(t)
	mediatest.Exercise(t, open(t, options(s)))
}
