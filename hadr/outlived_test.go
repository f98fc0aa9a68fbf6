package hadr_test

import (
	"sync"
	"testing"
)

// A transaction that is open when its primary is found outlived does not keep the database open: it gets a while, and is
// ended. Dropping the link lets writers in again, and says what that means.
func TestAnOutlivedPrimaryEndsOpenTransactions(t *testing.T) {
	t.Parallel()
	s, m := source(t, nil), target(t)
	introduce(t, s, m, targetFQDN)
	s.create("sales", 5)
	group(t, s, "sales")
	at := s.address()
	w := newWire(t, func() string { return at })
	if err := m.JoinLink(t.Context(), spec("sales", w.url())); err != nil {
		t.Fatal(err)
	}
	flows(t, s, m)
	caughtUp(t, s, m, "sales")
	w.down()
	if err := m.ForceFailover(t.Context(), "DAG_sales"); err != nil {
		t.Fatal(err)
	}
	open, err := s.db("sales").Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := open.Exec("INSERT INTO t_1(v) VALUES('open')"); err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(open.Rollback)
	defer end()
	s.endWriters.Store(&end)
	w.up()
	eventually(t, "the old primary is closed", func() bool { return s.db("sales").IsFenced() })
	if s.values("sales")["open"] != 0 {
		t.Error("the transaction was committed")
	}
	if err := s.DropLink(t.Context(), "DAG_sales"); err != nil {
		t.Fatal(err)
	}
	s.exec("sales", "INSERT INTO t_1(v) VALUES('alone')")
	if !s.logs("two independent databases") {
		t.Error("the error log does not say what dropping the link means")
	}
}
