//go:build unix

package smb_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"linkspan/media/mediatest"
	"linkspan/media/smb"
)

// A server that stops answering is given up after the time of a call, and all who wait for it are told.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	s := mediatest.StartSamba(t, mediatest.SambaOptions{})
	if err := os.WriteFile(filepath.Join(s.Folder, "a.bak"), make([]byte, 3<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	silent := make(chan struct{})
	w := &tap{change: func(b []byte) []byte {
		select {
		case <-silent:
			return nil
		default:
			return b
		}
	}}
	o := options(s)
	o.Address = w.between(t, s.Address)
	o.CallTimeout = 10 * time.Second
	src := open(t, o)
	f, err := src.Open(t.Context(), "a.bak")
	if err != nil {
		t.Fatal(err)
	}
	close(silent)
	_, err = f.ReadAt(make([]byte, 3<<20), 0)
	is(t, err, smb.Lost)
	_, err = src.Files(t.Context(), "")
	is(t, err, smb.Lost)
	_ = f.Close()
}
