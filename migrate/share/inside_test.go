package share

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"linkspan/bak"
	"linkspan/bak/baktest"
	"linkspan/internal/clock"
	"linkspan/media"
	"linkspan/media/smb"
	"linkspan/migrate/flow"
)

// fake is a place in memory that counts what is asked of it.
type fake struct {
	mu       sync.Mutex
	files    map[string][]byte
	stamp    map[string]time.Time
	errs     map[string]error // of opening
	fail     error            // of everything
	gate     chan struct{}    // listings wait for it
	listings int
	opened   int
	bytes    int
	closed   bool
}

func (f *fake) List(context.Context, string, func(media.Entry) error) error {
	return errors.ErrUnsupported
}

func (f *fake) Files(_ context.Context, folder string) ([]media.Entry, error) {
	f.mu.Lock()
	f.listings++
	gate := f.gate
	f.mu.Unlock()
	if gate != nil {
		<-gate
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return nil, f.fail
	}
	var out []media.Entry
	for name, b := range f.files {
		if rest, ok := strings.CutPrefix(name, folder); ok && !strings.Contains(strings.Trim(rest, "/"), "/") {
			out = append(out, media.Entry{Name: name, Size: int64(len(b)), Modified: f.stamp[name]})
		}
	}
	slices.SortFunc(out, func(a, b media.Entry) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (f *fake) Stat(_ context.Context, name string) (media.Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, ok := f.files[name]
	if !ok {
		return media.Entry{}, fs.ErrNotExist
	}
	return media.Entry{Name: name, Size: int64(len(b)), Modified: f.stamp[name]}, f.fail
}

func (f *fake) Open(_ context.Context, name string) (media.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened++
	if err := errors.Join(f.fail, f.errs[name]); err != nil {
		return nil, err
	}
	b, ok := f.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return &memory{bytes.NewReader(b), f}, nil
}

func (f *fake) Close() error { f.closed = true; return nil }

func (f *fake) set(name string, b []byte, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files[name], f.stamp[name] = b, at
}

type memory struct {
	*bytes.Reader
	f *fake
}

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	m.f.mu.Lock()
	m.f.bytes += len(p)
	m.f.mu.Unlock()
	return m.Reader.ReadAt(p, off)
}
func (m *memory) Close() error { return nil }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newFake() (*Share, *fake, *clock.Manual) {
	c := clock.NewManual(noon)
	f := &fake{files: map[string][]byte{}, stamp: map[string]time.Time{}, errs: map[string]error{}}
	s, err := New(Options{Local: "/nowhere", Clock: c})
	if err != nil {
		panic(err)
	}
	s.open = func(context.Context) (media.Flat, error) { return f, f.fail }
	return s, f, c
}

func small(t *testing.T, n byte) []byte {
	t.Helper()
	var b bytes.Buffer
	baktest.Backup(t, &b, bak.Header{SetGUID: bak.GUID{n, 1}, Database: "Sales", Type: bak.Log, Flags: bak.FlagAlways}, make([]byte, bak.ExtentSize))
	return b.Bytes()
}

func one(t *testing.T, s *Share, name string) flow.Seen {
	t.Helper()
	seen, err := s.Scan(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range seen {
		if x.Name == name {
			return x
		}
	}
	t.Fatalf("no %s in %v", name, seen)
	return flow.Seen{}
}

// With nothing new a scan is one listing, however many files there are, and what they hold was read once.
func TestNothingNewIsOneListing(t *testing.T) {
	t.Parallel()
	s, f, c := newFake()
	b := small(t, 1)
	for i := range 10_000 {
		f.set(fmt.Sprintf("log_%05d.trn", i), b, noon.Add(-time.Hour))
	}
	for range 3 {
		seen, err := s.Scan(t.Context(), "")
		if err != nil || len(seen) != 10_000 || seen[0].Growing || len(seen[0].Sets) != 1 {
			t.Fatalf("%d files: %v", len(seen), err)
		}
		c.Set(c.Now().Add(time.Minute))
	}
	if f.listings != 3 || f.opened != 10_000 {
		t.Errorf("%d listings, %d files opened", f.listings, f.opened)
	}
	f.set("new.trn", b, c.Now())
	if s := one(t, s, "new.trn"); s.Growing || f.opened != 10_001 {
		t.Errorf("a new one: %+v, %d opened", s, f.opened)
	}
}

// Scans of one folder that meet share a listing, but none gets one that was begun before it was asked for.
func TestScansShareAListing(t *testing.T) {
	t.Parallel()
	s, f, _ := newFake()
	f.gate = make(chan struct{})
	var wg sync.WaitGroup
	scan := func() {
		if _, err := s.Scan(context.Background(), ""); err != nil {
			t.Error(err)
		}
	}
	wg.Go(scan)
	f.gate <- struct{}{} // the first lists what was there before the rest asked, or what the rest share
	for range 50 {
		wg.Go(scan)
	}
	close(f.gate)
	wg.Wait()
	if f.listings > 51 || f.listings < 1 {
		t.Errorf("%d listings", f.listings)
	}
}

// A file that is shared with nobody is waited for, as long as it takes.
func TestHeldByItsWriter(t *testing.T) {
	t.Parallel()
	s, f, c := newFake()
	f.set("full.bak", small(t, 1), noon)
	f.errs["full.bak"] = fmt.Errorf("%w: system error 32", media.ErrBusy)
	for range 20 {
		if x := one(t, s, "full.bak"); !x.Growing || x.Problem != "" {
			t.Fatalf("held: %+v", x)
		}
		c.Set(c.Now().Add(10 * time.Minute))
	}
	delete(f.errs, "full.bak")
	if x := one(t, s, "full.bak"); x.Growing || len(x.Sets) != 1 {
		t.Errorf("let go: %+v", x)
	}
}

// What has a temporary name is renamed when it is whole: the one name is not taken for the other.
func TestTemporaryNames(t *testing.T) {
	t.Parallel()
	s, f, c := newFake()
	names := []string{"a.trn.partial", ".a.trn.Xy12", "a.trn.TMP"}
	for _, n := range names {
		f.set(n, small(t, 1), noon)
	}
	f.set("tmp.trn", small(t, 2), noon)
	for _, n := range names {
		if x := one(t, s, n); !x.Growing {
			t.Errorf("%+v", x)
		}
	}
	if x := one(t, s, "tmp.trn"); x.Growing {
		t.Errorf("%+v", x)
	}
	c.Set(c.Now().Add(2 * time.Minute))
	for _, n := range names {
		if x := one(t, s, n); x.Growing || len(x.Sets) != 1 {
			t.Errorf("it keeps the name: %+v", x)
		}
	}
}

// What may not be read is a problem, and is another version once it may.
func TestMayNotBeRead(t *testing.T) {
	t.Parallel()
	s, f, c := newFake()
	f.set("full.bak", small(t, 1), noon)
	f.set("other.bak", small(t, 2), noon)
	f.errs["full.bak"], f.errs["other.bak"] = fs.ErrPermission, errors.New("the disk has a bad sector")
	one(t, s, "full.bak")
	c.Set(c.Now().Add(5 * time.Second))
	if x := one(t, s, "other.bak"); !strings.Contains(x.Problem, "bad sector") {
		t.Errorf("one file that cannot be read: %+v", x)
	}
	barred := one(t, s, "full.bak")
	if barred.Growing || !strings.Contains(barred.Problem, "may not be read") {
		t.Errorf("%+v", barred)
	}
	delete(f.errs, "full.bak")
	c.Set(c.Now().Add(2 * time.Minute))
	if x := one(t, s, "full.bak"); x.Problem != "" || x.Version == barred.Version {
		t.Errorf("%+v", x)
	}
}

// A listing that shows late what is written, as Windows' does, is not believed.
func TestListingBehind(t *testing.T) {
	t.Parallel()
	s, f, c := newFake()
	whole := small(t, 1)
	f.set("full.bak", whole, noon)
	s.open = func(context.Context) (media.Flat, error) { return &late{f}, nil }
	for range 10 {
		if x := one(t, s, "full.bak"); !x.Growing {
			t.Fatalf("%+v", x)
		}
		c.Set(c.Now().Add(20 * time.Second))
	}
}

// late lists files with the time at which they were made.
type late struct{ *fake }

func (l *late) Files(ctx context.Context, folder string) ([]media.Entry, error) {
	all, err := l.fake.Files(ctx, folder)
	for i := range all {
		all[i].Modified = all[i].Modified.Add(-time.Hour)
	}
	return all, err
}

// A large compressed file is read at its ends; while it is written it is not walked through again and again.
func TestLargeCompressedFiles(t *testing.T) {
	t.Parallel()
	s, f, c := newFake()
	s.large = 1 << 20
	var file bytes.Buffer
	comp, err := bak.NewCompressor(&file)
	if err != nil {
		t.Fatal(err)
	}
	data, rng := make([]byte, 48*bak.ExtentSize), rand.New(rand.NewPCG(1, 2))
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	baktest.Backup(t, comp, bak.Header{SetGUID: bak.GUID{1}, Database: "Sales", Type: bak.Full, Flags: bak.FlagAlways}, data)
	whole := file.Bytes()
	f.set("full.bak", whole[:len(whole)*2/3], c.Now())
	for range 5 {
		if x := one(t, s, "full.bak"); !x.Growing {
			t.Fatalf("half of it: %+v", x)
		}
		c.Set(c.Now().Add(3 * time.Second))
	}
	read := f.bytes
	if read > 3*len(whole) {
		t.Errorf("%d bytes were read of a file of %d that is being written", read, len(whole))
	}
	c.Set(c.Now().Add(2 * time.Minute))
	if x := one(t, s, "full.bak"); x.Growing || !strings.Contains(x.Problem, "not complete") {
		t.Errorf("broken off: %+v", x)
	}
	f.bytes = 0
	f.set("full.bak", whole, c.Now())
	one(t, s, "full.bak")
	if x := one(t, s, "full.bak"); x.Growing || len(x.Sets) != 1 || x.Problem != "" || f.bytes > 1<<20 {
		t.Errorf("whole, after %d of %d bytes: %+v", f.bytes, len(whole), x)
	}
}

// A server that is down is asked seldom, and one that refuses the password very seldom.
func TestAskedSeldom(t *testing.T) {
	t.Parallel()
	for kind, most := range map[smb.Kind]int{smb.Refused: 40, smb.Logon: 4} {
		s, f, c := newFake()
		asked := 0
		s.open = func(context.Context) (media.Flat, error) {
			asked++
			return nil, &smb.Error{Kind: kind, Where: "server", Err: errors.New("no")}
		}
		for range 120 { // a minute
			_, err := s.Scan(t.Context(), "")
			var h *flow.Hindrance
			var e *smb.Error
			if !errors.As(err, &h) || !errors.As(err, &e) || h.What != e.Cause() || strings.Count(err.Error(), h.Fix) != 1 {
				t.Fatalf("error %v", err)
			}
			c.Set(c.Now().Add(500 * time.Millisecond))
		}
		if asked > most || asked < 2 {
			t.Errorf("kind %d: asked %d times in a minute", kind, asked)
		}
		before := asked
		if err := s.Probe(t.Context(), ""); err == nil || asked != before+1 {
			t.Errorf("a probe waits: %v", err)
		}
		s.open = func(context.Context) (media.Flat, error) { return f, nil }
		c.Set(c.Now().Add(5 * time.Minute))
		if _, err := s.Scan(t.Context(), ""); err != nil {
			t.Errorf("it is back: %v", err)
		}
	}
}

// A connection that breaks is made again, within the same scan when it had been idle; what was read before counts.
func TestConnectionBreaks(t *testing.T) {
	t.Parallel()
	s, f, _ := newFake()
	f.set("a.trn", small(t, 1), noon)
	one(t, s, "a.trn")
	broken := &fake{files: f.files, stamp: f.stamp, fail: &smb.Error{Kind: smb.Lost, Where: "server", Err: errors.New("reset")}}
	s.mu.src = broken
	if x := one(t, s, "a.trn"); x.Growing || !broken.closed || f.opened != 1 {
		t.Errorf("%+v, closed %v, %d opened", x, broken.closed, f.opened)
	}
}
