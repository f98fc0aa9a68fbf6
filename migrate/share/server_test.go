package share_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"linkspan/bak"
	"linkspan/internal/clock"
	"linkspan/media/mediatest"
	"linkspan/media/smb"
	"linkspan/migrate/flow"
	"linkspan/migrate/share"
)

// A server that fails in the middle is a hindrance, and when it is back the next scan goes on; a copy goes on as well.
func TestServerKilledAndBack(t *testing.T) {
	t.Parallel()
	s := mediatest.StartSamba(t, mediatest.SambaOptions{Global: "server smb encrypt = required"})
	p := newPlace(t, share.Options{SMB: smbOptions(s)}, s.Folder)
	b := made(t, header(bak.Full, 1))
	for i := range 200 {
		put(t, s.Folder, fmt.Sprintf("Sales/%03d.bak", i), b)
	}
	p.scan(t, "Sales")
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		s.Kill()
	}()
	for {
		if _, err := p.Scan(t.Context(), "Sales"); err != nil {
			hindrance(t, err)
			break
		}
		put(t, s.Folder, "Sales/000.bak", b)
	}
	<-gone
	if _, err := p.Scan(t.Context(), "Sales"); hindrance(t, err).Fix == "" {
		t.Error("no fix")
	}
	s.Start(t)
	p.pass(time.Minute)
	seen := p.scan(t, "Sales")
	if len(seen) != 200 {
		t.Fatalf("%d files", len(seen))
	}
	x := seen["Sales/007.bak"]
	f, err := p.Open(t.Context(), x.Name, x.Version)
	if err != nil {
		t.Fatal(err)
	}
	s.Kill()
	_, err = f.ReadAt(make([]byte, 1000), 0)
	hindrance(t, err)
	_ = f.Close()
	s.Start(t)
	p.pass(time.Minute)
	if got, err := p.read(t, x); err != nil || string(got) != string(b) {
		t.Errorf("%d bytes: %v", len(got), err)
	}
}

// hindrance checks that err is one of the share's, and says nothing secret.
func hindrance(t *testing.T, err error) *flow.Hindrance {
	t.Helper()
	var h *flow.Hindrance
	if !errors.As(err, &h) || h.At != flow.AtShare || strings.Contains(err.Error(), "Secret") {
		t.Fatalf("error %v", err)
	}
	t.Log(err)
	return h
}

// What stands in the way before anything is copied is told apart.
func TestProbe(t *testing.T) {
	t.Parallel()
	s := mediatest.StartSamba(t, mediatest.SambaOptions{})
	s.Know(t, "nobody")
	for _, p := range []string{s.Folder, filepath.Dir(s.Folder), filepath.Dir(filepath.Dir(s.Folder))} {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path, mode := range map[string]os.FileMode{put(t, s.Folder, "secret/a.bak", nil): 0o600, put(t, s.Folder, "closed/a.bak", nil): 0o644} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(s.Folder, "closed"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*smb.Options)
		folder string
		kind   smb.Kind
	}{
		"password": {func(o *smb.Options) { o.Password = "wrong-one" }, "", smb.Logon},
		"user":     {func(o *smb.Options) { o.User = "somebody" }, "", smb.Logon},
		"share":    {func(o *smb.Options) { o.Share = "nothing" }, "", smb.NoShare},
		"folder":   {func(*smb.Options) {}, "nowhere", smb.NoFolder},
		"denied":   {func(o *smb.Options) { o.User = "nobody" }, "closed", smb.Denied},
		"file":     {func(o *smb.Options) { o.User = "nobody" }, "secret", smb.Denied},
		"port":     {func(o *smb.Options) { o.Address = "127.0.0.1:1" }, "", smb.Refused},
		"name":     {func(o *smb.Options) { o.Address = "no-such-server.invalid" }, "", smb.NoPath},
	} {
		t.Run(name, func(t *testing.T) {
			o := smbOptions(s)
			c.change(&o)
			p := newPlace(t, share.Options{SMB: o}, "")
			var e *smb.Error
			if err := p.Probe(t.Context(), c.folder); !errors.As(hindrance(t, err), &e) || e.Kind != c.kind {
				t.Errorf("kind %v: %v", e.Kind, err)
			}
		})
	}
}

// A name that SMB cannot show is shown by the server under a short one, under which it is read.
func TestNamesThatSMBForbids(t *testing.T) {
	t.Parallel()
	s := mediatest.StartSamba(t, mediatest.SambaOptions{})
	p := newPlace(t, share.Options{SMB: smbOptions(s)}, s.Folder)
	b := made(t, header(bak.Full, 1))
	put(t, s.Folder, `Sales 10:00? "full".bak`, b)
	put(t, s.Folder, "ends with a dot.", b)
	seen := p.scan(t, "")
	if len(seen) != 2 {
		t.Fatalf("%v", seen)
	}
	for _, x := range seen {
		if got, err := p.read(t, x); x.Growing || x.Problem != "" || err != nil || string(got) != string(b) {
			t.Errorf("%+v: %v", x, err)
		}
		t.Log(x.Name)
	}
}

// While a file is read from the share it can be written, and what is deleted meanwhile is told.
func TestManyBlocks(t *testing.T) {
	t.Parallel()
	s := mediatest.StartSamba(t, mediatest.SambaOptions{})
	p := newPlace(t, share.Options{SMB: smbOptions(s)}, s.Folder)
	b := slices.Repeat(made(t, header(bak.Full, 1)), 40)
	put(t, s.Folder, "full.bak", b)
	x := p.scan(t, "")["full.bak"]
	f, err := p.Open(t.Context(), x.Name, x.Version)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for off := 0; off < len(b); off += 3_000_001 {
		got := make([]byte, 3_000_001)
		n, err := f.ReadAt(got, int64(off))
		if end := off+len(got) > len(b); string(got[:n]) != string(b[off:min(off+len(got), len(b))]) || err != nil && !(end && errors.Is(err, io.EOF)) {
			t.Fatalf("%d bytes from %d: %v", n, off, err)
		}
	}
}

// real is what the manifest of SQL Server's own files tells.
type real struct {
	File  string
	Size  int64
	Media struct {
		Count    int `json:"family_count"`
		Sequence int `json:"family_seq"`
	}
	Sets []struct {
		BackupSetGUID, Type, DatabaseName, FirstLSN, LastLSN, DiffBaseGUID, RecoveryForkID, BackupFinishDate string
		Flags                                                                                                uint32
	}
}

// TestRealFiles reads SQL Server's own files: what Scan says is what the manifest does.
func TestRealFiles(t *testing.T) {
	t.Parallel()
	root := backups()
	text, err := os.ReadFile(filepath.Join(root, "manifest.json"))
	if err != nil {
		t.Skip("no real backups here")
	}
	var all []real
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	p := newPlace(t, share.Options{Local: root, Clock: clock.System}, root)
	kinds := map[string]flow.Kind{"D": flow.Full, "I": flow.Differential, "L": flow.Log}
	for _, r := range all {
		x := p.scan(t, filepath.Dir(r.File))[r.File]
		if x.Growing || x.Problem != "" || x.Size != r.Size || x.Sequence != r.Media.Sequence || x.Stripes != r.Media.Count || len(x.Sets) != len(r.Sets) {
			t.Errorf("%s: %+v", r.File, x)
			continue
		}
		for i, want := range r.Sets {
			got := x.Sets[i]
			base := ""
			if got.Kind == flow.Differential {
				base = want.DiffBaseGUID
			}
			if got.ID != want.BackupSetGUID || got.Kind != kinds[want.Type] || got.Database != want.DatabaseName || got.First.Decimal() != want.FirstLSN || got.Last.Decimal() != want.LastLSN ||
				got.Base != base || got.Fork != want.RecoveryForkID || got.Checksum != (want.Flags&0x10 != 0) || got.Tail || got.Finished.Format("2006-01-02T15:04:05") != want.BackupFinishDate {
				t.Errorf("%s: %+v, want %+v", r.File, got, want)
			}
		}
	}
	if len(all) < 30 {
		t.Errorf("%d files", len(all))
	}
}

func backups() string {
	if dir := os.Getenv("LINKSPAN_BACKUPS"); dir != "" {
		return dir
	}
	dir, _ := filepath.Abs(filepath.Join("..", "..", "..", "shared", "backups"))
	return dir
}
