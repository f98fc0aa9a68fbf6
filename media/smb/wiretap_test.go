package smb_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"linkspan/media/mediatest"
)

// tap is somebody on the network between us and the server, who listens, and may change what the server answers.
type tap struct {
	change func([]byte) []byte
	mu     sync.Mutex
	heard  bytes.Buffer
}

// between gives an address that passes one connection on to server.
func (w *tap) between(t *testing.T, server string) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		near, err := l.Accept()
		if err != nil {
			return
		}
		defer near.Close()
		far, err := net.Dial("tcp", server) //nolint:noctx // it ends with the test
		if err != nil {
			return
		}
		wg.Go(func() {
			_, _ = io.Copy(far, near)
			far.Close()
		})
		w.pass(near, far)
	})
	return l.Addr().String()
}

func (w *tap) pass(near, far net.Conn) {
	for b := make([]byte, 64<<10); ; {
		n, err := far.Read(b)
		w.mu.Lock()
		w.heard.Write(b[:n])
		w.mu.Unlock()
		answer := b[:n]
		if w.change != nil {
			answer = w.change(answer)
		}
		if _, werr := near.Write(answer); err != nil || werr != nil {
			return
		}
	}
}

// Where the server can encrypt, nobody on the network reads the backups.
func TestNobodyReadsAlong(t *testing.T) {
	t.Parallel()
	secret := bytes.Repeat([]byte("salaries of everybody; "), 1000)
	for name, c := range map[string]struct {
		global string
		reads  bool
	}{"a server that can encrypt": {"", false}, "one that cannot": {"server smb encrypt = off", true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mediatest.StartSamba(t, mediatest.SambaOptions{Global: c.global})
			if err := os.WriteFile(filepath.Join(s.Folder, "a.bak"), secret, 0o644); err != nil {
				t.Fatal(err)
			}
			w := &tap{}
			o := options(s)
			o.Address = w.between(t, s.Address)
			src := open(t, o)
			f, err := src.Open(t.Context(), "a.bak")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got := make([]byte, len(secret))
			if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, secret) {
				t.Fatalf("read: %v", err)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if reads := bytes.Contains(w.heard.Bytes(), []byte("salaries")); reads != c.reads {
				t.Errorf("somebody reads along: %v", reads)
			}
		})
	}
}

// What somebody on the network changes in an answer is noticed: it is signed, where it is not encrypted.
func TestChangedOnTheWay(t *testing.T) {
	t.Parallel()
	s := mediatest.StartSamba(t, mediatest.SambaOptions{Global: "server smb encrypt = off"})
	if err := os.WriteFile(filepath.Join(s.Folder, "a.bak"), bytes.Repeat([]byte("pay 1000 "), 100), 0o644); err != nil {
		t.Fatal(err)
	}
	w := &tap{change: func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("pay 1000"), []byte("pay 9999")) }}
	o := options(s)
	o.Address = w.between(t, s.Address)
	src := open(t, o)
	f, err := src.Open(t.Context(), "a.bak")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := make([]byte, 900)
	if n, err := f.ReadAt(got, 0); err == nil || bytes.Contains(got, []byte("9999")) {
		t.Errorf("a changed answer is believed: %d bytes %q", n, got[:9])
	}
}
