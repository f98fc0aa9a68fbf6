package seeding_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"slices"
	"testing"

	"linkspan/hadr/hadrwire"
	"linkspan/hadr/seeding"
	"linkspan/storage"
)

// Two copies that should be equal are compared page by page, at an LSN that the source has left behind.
func TestFindDifference(t *testing.T) {
	t.Parallel()
	p := newPeers(t, 5000)
	db, err := p.target().Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := db.Published()
	p.exec("UPDATE t_1 SET v = v || 'later' WHERE id % 100 = 1")
	compare := func() []uint32 {
		t.Helper()
		a, b := net.Pipe()
		done := make(chan error, 1)
		go func() {
			defer b.Close()
			m, err := hadrwire.NewReader(b).Next()
			if err == nil {
				err = seeding.ServeHashes(context.Background(), p.db, b, m.(*hadrwire.HashesRequest))
			}
			done <- err
		}()
		list, err := seeding.FindDifference(t.Context(), db, a, at, 10)
		a.Close()
		if err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		return list
	}
	if list := compare(); len(list) > 0 {
		t.Errorf("equal copies differ in pages %v", list)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := p.disk.OpenRW(filepath.Join("/r", storage.PagesFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, no := range []int64{77, 300} {
		if _, err := f.WriteAt([]byte("nonsense"), (no-1)*storage.PageSize+100); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = storage.Open(t.Context(), p.target().Options); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if list := compare(); !slices.Equal(list, []uint32{77, 300}) {
		t.Errorf("pages %v differ, pages 77 and 300 should", list)
	}
}

// A page is had from the other side when its hash is the one that is wanted.
func TestFetchPage(t *testing.T) {
	t.Parallel()
	data := make([]byte, storage.PageSize)
	copy(data, "content")
	want := storage.HashPage(7, data)
	fetch := func(get func(context.Context, uint32, storage.Digest) ([]byte, error)) ([]byte, error) {
		a, b := net.Pipe()
		defer a.Close()
		go func() {
			defer b.Close()
			if m, err := hadrwire.NewReader(b).Next(); err == nil {
				seeding.ServePage(context.Background(), b, m.(*hadrwire.PageRequest), get) //nolint:errcheck // the other end tells
			}
		}()
		return seeding.FetchPage(a, storage.Identity{1}, 7, want)
	}
	if got, err := fetch(func(context.Context, uint32, storage.Digest) ([]byte, error) { return data, nil }); err != nil || !slices.Equal(got, data) {
		t.Errorf("the page came as %.10q, %v", got, err)
	}
	if _, err := fetch(func(context.Context, uint32, storage.Digest) ([]byte, error) { return nil, errors.New("changed since") }); !errors.Is(err, seeding.ErrNoPage) {
		t.Errorf("a page that is not there: %v", err)
	}
	if _, err := fetch(func(context.Context, uint32, storage.Digest) ([]byte, error) {
		return make([]byte, storage.PageSize), nil
	}); !errors.Is(err, seeding.ErrNoPage) {
		t.Errorf("another page: %v", err)
	}
}
