package seeding_test

import (
	"context"
	"net"
	"testing"

	"linkspan/hadr/hadrwire"
	"linkspan/hadr/seeding"
	"linkspan/storage"
)

// served gives a stream on which the source holds a version. The budget of bytes, if it is not negative, cuts it.
func served(p *peers) net.Conn {
	a, b := net.Pipe()
	p.mu.Lock()
	p.conns = append(p.conns, a, b)
	p.mu.Unlock()
	p.wg.Go(func() {
		defer b.Close()
		if m, err := hadrwire.NewReader(b).Next(); err == nil {
			seeding.ServeVersion(context.Background(), p.db, metered{b, p}, m.(*hadrwire.VersionRequest), nil) //nolint:errcheck // the asking side tells
		}
	})
	return a
}

// A side that went another way brings the version that the other one shows, while that goes on: the pages that differ and
// no others. After a cut it begins with the version of then, and with what it brought.
func TestFetchVersion(t *testing.T) {
	t.Parallel()
	p := newPeers(t, 5000)
	own, err := p.target().Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close() //nolint:errcheck // the test is about something else
	p.exec("UPDATE t_1 SET v = hex(randomblob(100)) WHERE id % 20 = 1")
	c, err := own.Compare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // the test is about something else
	p.mu.Lock()
	p.budget = 100 * storage.PageSize
	p.mu.Unlock()
	if _, err := seeding.FetchVersion(t.Context(), c, served(p), p.db.ID()); err == nil {
		t.Fatal("a stream that was cut brought a version")
	}
	p.mu.Lock()
	p.budget = -1
	p.mu.Unlock()
	p.exec("INSERT INTO t_1(v) VALUES('meanwhile')")
	if err := c.Again(); err != nil {
		t.Fatal(err)
	}
	stream := served(p)
	defer stream.Close()
	v, err := seeding.FetchVersion(t.Context(), c, stream, p.db.ID())
	if err != nil {
		t.Fatal(err)
	}
	p.exec("DELETE FROM t_1") // of no concern to who compares
	if brought := c.Brought(); brought == 0 || brought > int(v.Pages)/2 {
		t.Errorf("%d of %d pages were brought", brought, v.Pages)
	}
	conn, err := c.Reader(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	st, err := conn.Stmt("SELECT count(*), max(v = 'meanwhile') FROM t_1")
	if err != nil {
		t.Fatal(err)
	}
	if !st.Step() || st.ColumnInt(0) != 5001 || st.ColumnInt(1) != 1 {
		t.Errorf("the other side's version has %d rows (%v)", st.ColumnInt(0), conn.Cause(st.Err()))
	}
}

// Nobody else's pages are compared.
func TestFetchVersionOfAnother(t *testing.T) {
	t.Parallel()
	p := newPeers(t, 10)
	c, err := p.db.Compare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // the test is about something else
	if _, err := seeding.FetchVersion(t.Context(), c, served(p), storage.Identity{1}); err == nil {
		t.Error("a version of another database was brought")
	}
}
