// Package mediatest holds the behaviour that every source of backup files shares, as a suite for their tests.
package mediatest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"sync"

	"linkspan/media"
)

// TestingTB is the part of testing.TB that the suite uses.
type TestingTB interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Contents is what the source under test holds when Exercise begins: name to bytes. Names in folders have slashes; one
// file is longer than a megabyte.
func Contents() map[string][]byte {
	big := make([]byte, 3<<20+17)
	for i := range big {
		big[i] = byte(i * 7 >> 3)
	}
	return map[string][]byte{"a.bak": []byte("first"), "logs/b.trn": []byte("second"), "logs/deep/c.trn": big, "logs2.trn": {}, "Zürich ø.bak": []byte("name")}
}

// Exercise checks src, which holds Contents.
func Exercise(t TestingTB, src media.Source) {
	t.Helper()
	ctx := context.Background()
	list(ctx, t, src)
	for name, want := range Contents() {
		read(ctx, t, src, name, want)
	}
	if _, err := src.Open(ctx, "missing.bak"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening a missing file: %v", err)
	}
	stop := errors.New("stop")
	if err := src.List(ctx, "", func(media.Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("List does not stop: %v", err)
	}
}

func list(ctx context.Context, t TestingTB, src media.Source) {
	t.Helper()
	for prefix, want := range map[string]int{"": 5, "logs": 2, "logs/deep": 1, "a.bak": 1} {
		n, last := 0, ""
		err := src.List(ctx, prefix, func(e media.Entry) error {
			if b, ok := Contents()[e.Name]; !ok || int64(len(b)) != e.Size {
				t.Errorf("list of %q gives %q of %d bytes", prefix, e.Name, e.Size)
			}
			if e.Name == last {
				t.Errorf("list of %q gives %q twice", prefix, e.Name)
			}
			n, last = n+1, e.Name
			return nil
		})
		if err != nil || n != want {
			t.Errorf("list of %q: %d files, want %d: %v", prefix, n, want, err)
		}
	}
	if err := src.List(ctx, "nowhere", func(media.Entry) error { return nil }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("list of a missing folder: %v", err)
	}
}

func read(ctx context.Context, t TestingTB, src media.Source, name string, want []byte) {
	t.Helper()
	f, err := src.Open(ctx, name)
	if err != nil {
		t.Fatalf("open %s: %v", name, err)
	}
	defer f.Close()
	if f.Size() != int64(len(want)) {
		t.Errorf("%s: size %d, want %d", name, f.Size(), len(want))
	}
	var wg sync.WaitGroup
	for part := range 4 {
		wg.Go(func() {
			off := int64(len(want)) * int64(part) / 4
			got := make([]byte, int64(len(want))-off)
			if n, err := f.ReadAt(got, off); n != len(got) || err != nil && !errors.Is(err, io.EOF) || !bytes.Equal(got, want[off:]) {
				t.Errorf("%s: %d bytes from %d: %v", name, n, off, err)
			}
		})
	}
	wg.Wait()
	if n, err := f.ReadAt(make([]byte, 10), int64(len(want))); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%s: reading behind the end gives %d, %v", name, n, err)
	}
}
