package share_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"linkspan/bak"
	"linkspan/internal/clock"
	"linkspan/media/mediatest"
	"linkspan/media/smb"
	"linkspan/migrate/flow"
	"linkspan/migrate/share"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place is a share or folder under test.
type place struct {
	*share.Share
	folder string
	clock  *clock.Manual
	samba  *mediatest.Samba
}

// both runs a test on a local folder and on a share.
func both(t *testing.T, run func(*testing.T, *place)) {
	t.Helper()
	t.Parallel()
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		folder := t.TempDir()
		run(t, newPlace(t, share.Options{Local: folder}, folder))
	})
	t.Run("share", func(t *testing.T) {
		t.Parallel()
		s := mediatest.StartSamba(t, mediatest.SambaOptions{})
		p := newPlace(t, share.Options{SMB: smbOptions(s)}, s.Folder)
		p.samba = s
		run(t, p)
	})
}

func smbOptions(s *mediatest.Samba) smb.Options {
	return smb.Options{Address: s.Address, Share: s.Share, User: s.User, Password: s.Password, DialTimeout: 20 * time.Second}
}

func newPlace(t *testing.T, o share.Options, folder string) *place {
	t.Helper()
	c := clock.NewManual(clock.System.Now())
	o.Clock = c
	s, err := share.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return &place{Share: s, folder: folder, clock: c}
}

func (p *place) pass(d time.Duration) { p.clock.Set(p.clock.Now().Add(d)) }

func (p *place) scan(t *testing.T, folder string) map[string]flow.Seen {
	t.Helper()
	seen, err := p.Scan(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]flow.Seen{}
	for _, s := range seen {
		m[s.Name] = s
	}
	return m
}

func (p *place) read(t *testing.T, s flow.Seen) ([]byte, error) {
	t.Helper()
	f, err := p.Open(t.Context(), s.Name, s.Version)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
}

func TestHeaders(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		tail := header(bak.Log, 3)
		tail.Flags = bak.FlagAlways | bak.FlagTail | bak.FlagTailNoRecover
		forked := header(bak.Log, 4)
		forked.RecoveryForkID, forked.FirstForkID, forked.ForkPoint = bak.GUID{6}, bak.GUID{7}, at(4)
		content := map[string][]byte{}
		for name, h := range map[string]bak.Header{"whatever.txt": header(bak.Full, 1), "diff.bak": header(bak.Differential, 2), "Zürich ø 東京 .trn": tail,
			strings.Repeat("long", 55) + ".trn": forked, "file.bak": header(bak.FileFull, 5)} {
			content["Sales/"+name] = made(t, h)
			put(t, p.folder, "Sales/"+name, content["Sales/"+name])
		}
		put(t, p.folder, "Sales/below/other.bak", content["Sales/whatever.txt"])
		put(t, p.folder, "Sales/two.bak", several(t, header(bak.Full, 8), header(bak.Log, 9)))
		seen := p.scan(t, "/Sales/")
		if len(seen) != 6 {
			t.Fatalf("%d files: %v", len(seen), seen)
		}
		full := bak.GUID{1, 1, 2, 3}.String()
		fork := bak.GUID{7}.String()
		want := map[string]flow.Set{
			"whatever.txt":                      {ID: full, Kind: flow.Full, Database: "Sales", First: at(1), Last: at(2), Fork: fork, Checksum: true, Stripes: 1, Finished: start.Add(time.Minute)},
			"diff.bak":                          {ID: bak.GUID{2, 1, 2, 3}.String(), Kind: flow.Differential, Database: "Sales", First: at(2), Last: at(3), Base: full, Fork: fork, Checksum: true, Stripes: 1, Finished: start.Add(2 * time.Minute)},
			"Zürich ø 東京 .trn":                  {ID: bak.GUID{3, 1, 2, 3}.String(), Kind: flow.Log, Database: "Sales", First: at(3), Last: at(4), Fork: fork, Tail: true, Stripes: 1, Finished: start.Add(3 * time.Minute)},
			strings.Repeat("long", 55) + ".trn": {ID: bak.GUID{4, 1, 2, 3}.String(), Kind: flow.Log, Database: "Sales", First: at(4), Last: at(5), Fork: bak.GUID{6}.String(), FirstFork: fork, ForkPoint: at(4), Checksum: true, Stripes: 1, Finished: start.Add(4 * time.Minute)},
			"file.bak":                          {ID: bak.GUID{5, 1, 2, 3}.String(), Kind: "file", Database: "Sales", First: at(5), Last: at(6), Fork: fork, Checksum: true, Stripes: 1, Finished: start.Add(5 * time.Minute)},
		}
		for name, set := range want {
			s := seen["Sales/"+name]
			if s.Growing || s.Problem != "" || s.Sequence != 1 || s.Stripes != 1 || s.Size != int64(len(content[s.Name])) {
				t.Errorf("%s: %+v", name, s)
			}
			if d := cmp.Diff([]flow.Set{set}, s.Sets); d != "" {
				t.Errorf("%s: %s", name, d)
			}
			if b, err := p.read(t, s); err != nil || string(b) != string(content[s.Name]) {
				t.Errorf("%s: %d bytes: %v", name, len(b), err)
			}
		}
		if two := seen["Sales/two.bak"]; len(two.Sets) != 2 || two.Growing || two.Problem != "" || two.Sets[1].ID != (bak.GUID{9, 1, 2, 3}).String() {
			t.Errorf("two sets: %+v", two)
		}
	})
}

func TestStripes(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		for i, b := range striped(t, header(bak.Full, 1), 20) {
			put(t, p.folder, fmt.Sprintf("full_%c.bak", 't'-i), b)
		}
		seen := p.scan(t, "")
		var sequences []int
		for _, s := range seen {
			if s.Stripes != 20 || s.Growing || s.Problem != "" || len(s.Sets) != 1 || s.Sets[0].ID != (bak.GUID{1, 1, 2, 3}).String() || s.Sets[0].Stripes != 20 {
				t.Errorf("%+v", s)
			}
			sequences = append(sequences, s.Sequence)
		}
		slices.Sort(sequences)
		for i, n := range sequences {
			if n != i+1 {
				t.Fatalf("stripes %v", sequences)
			}
		}
	})
}

func TestWhatIsNoBackup(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		good := made(t, header(bak.Full, 1))
		damaged := slices.Clone(good)
		damaged[20] ^= 1
		broken, snapshot := header(bak.Full, 2), header(bak.Full, 3)
		broken.Flags |= bak.FlagDamaged
		snapshot.Flags |= bak.FlagSnapshot
		secret := slices.Clone(compressed(t, header(bak.Full, 4), make([]byte, 4*bak.ExtentSize)))
		secret[0x1e0] = 0x22
		for name, c := range map[string]struct {
			b     []byte
			words string
		}{
			"a.txt": {[]byte("minutes of a meeting"), "no backup"}, "b.bak": {damaged, "damaged"}, "c.bak": {made(t, broken), "CONTINUE_AFTER_ERROR"},
			"d.bak": {made(t, snapshot), "snapshot"}, "e.bak": {secret, "encrypted"}, "f.bak": {nil, "empty"}, "g.bak": {make([]byte, 1<<20), "zeros"},
			"h.bak": {good[:len(good)/2], "not complete"}, "i.bak": {append(slices.Clone(good[:len(good)-4096]), make([]byte, 4096)...), "not complete"},
		} {
			put(t, p.folder, name, c.b)
			if s := p.scan(t, "")[name]; !s.Growing && c.words != "CONTINUE_AFTER_ERROR" && c.words != "snapshot" {
				t.Errorf("%s is judged at once: %+v", name, s)
			}
			p.pass(3 * time.Second)
			p.scan(t, "")
			p.pass(2 * time.Minute)
			if s := p.scan(t, "")[name]; s.Growing || !strings.Contains(s.Problem, c.words) {
				t.Errorf("%s: %+v", name, s)
			} else {
				t.Logf("%s: %s", name, s.Problem)
			}
		}
		old := p.scan(t, "")["h.bak"]
		put(t, p.folder, "h.bak", good)
		if s := p.scan(t, "")["h.bak"]; s.Growing || s.Problem != "" || s.Version == old.Version {
			t.Errorf("copied again it is %+v", s)
		}
	})
}

// A file that is being written is Growing until it is whole, and whole at once then.
func TestGrowing(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		b := made(t, header(bak.Full, 1))
		f, err := os.Create(filepath.Join(p.folder, "full.bak"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for n := 0; n < len(b); n += len(b)/5 + 1 {
			if _, err := f.Write(b[n:min(n+len(b)/5+1, len(b))]); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				p.pass(5 * time.Second)
				s := p.scan(t, "")["full.bak"]
				if whole := n+len(b)/5+1 >= len(b); !s.Growing && !whole {
					t.Fatalf("with %d of %d bytes: %+v", n+len(b)/5+1, len(b), s)
				}
			}
		}
		if s := p.scan(t, "")["full.bak"]; s.Growing || s.Problem != "" || len(s.Sets) != 1 {
			t.Errorf("whole: %+v", s)
		}
	})
}

func TestChangedDuringTheCopy(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		first, second := made(t, header(bak.Full, 1)), made(t, header(bak.Full, 2))
		for name, change := range map[string]func(path string){
			"replaced": func(path string) {
				put(t, p.folder, "new", second)
				if err := os.Rename(filepath.Join(p.folder, "new"), path); err != nil {
					t.Fatal(err)
				}
			},
			"deleted": func(path string) {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			},
			"written over": func(path string) { put(t, p.folder, filepath.Base(path), append(slices.Clone(first), 0)) },
			"cut":          func(path string) { put(t, p.folder, filepath.Base(path), first[:100]) },
		} {
			path := put(t, p.folder, name, first)
			s := p.scan(t, "")[name]
			f, err := p.Open(t.Context(), name, s.Version)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := f.ReadAt(make([]byte, 1000), 0); n != 1000 || err != nil {
				t.Errorf("%s: %d bytes: %v", name, n, err)
			}
			change(path)
			if _, err := f.ReadAt(make([]byte, 256<<10), 0); !errors.Is(err, share.ErrChanged) {
				t.Errorf("%s: a block is read: %v", name, err)
			}
			_, err = io.ReadAll(io.NewSectionReader(f, 1000, f.Size()-1000))
			if !errors.Is(err, share.ErrChanged) {
				t.Errorf("%s: the last byte is read: %v", name, err)
			}
			f.Close()
			if _, err := p.Open(t.Context(), name, s.Version); !errors.Is(err, share.ErrChanged) {
				t.Errorf("%s: the old version is opened: %v", name, err)
			}
			if now, there := p.scan(t, "")[name]; there && now.Version == s.Version {
				t.Errorf("%s: the scan does not tell", name)
			}
		}
	})
}

func TestHindrances(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		if err := p.Probe(t.Context(), ""); err != nil {
			t.Errorf("an empty folder: %v", err)
		}
		for folder, words := range map[string]string{"nowhere": "there is no folder", "../..": "not the name of a folder", "a/./b": "not the name"} {
			for _, err := range []error{p.Probe(t.Context(), folder), second(p.Scan(t.Context(), folder))} {
				var h *flow.Hindrance
				if !errors.As(err, &h) || h.At != flow.AtShare || h.Fix == "" || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "Secret") {
					t.Errorf("%s: %v", folder, err)
				}
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := p.Scan(ctx, ""); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

func second(_ []flow.Seen, err error) error { return err }

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []share.Options{{}, {Local: "relative"}, {Local: "/x", Quiet: -1}} {
		if _, err := share.New(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}
