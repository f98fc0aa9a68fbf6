package hadr_test

import (
	"context"
	"testing"
	"time"

	"linkspan/hadr/agcore"
)

// A commit that waits for a copy that is required is let go when the link is dropped, and so are those after it.
func TestDropLetsCommitsGo(t *testing.T) {
	t.Parallel()
	s, m := linkedPair(t, 20)
	setMode(t, s, agcore.Synchronous)
	if err := s.AlterGroup(t.Context(), agcore.Change{Name: "DAG_sales", Set: &agcore.OptionSpec{RequiredSync: new(1)}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "synchronized", inSync(s, agcore.Synchronized))
	m.stop()
	waiting := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	before := s.db("sales").Appended()
	go func() {
		_, err := tryExec(ctx, s.db("sales"), "INSERT INTO t_1(v) VALUES('required')")
		waiting <- err
	}()
	eventually(t, "the commit waits", func() bool { return before.Less(s.db("sales").Hardened()) })
	if err := s.DropLink(t.Context(), "DAG_sales"); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; err != nil {
		t.Error(err)
	}
	s.exec("sales", "INSERT INTO t_1(v) VALUES('after')")
}

// Dropping the link of a primary does not wait for a transaction that is open.
func TestDropBesideAnOpenTransaction(t *testing.T) {
	t.Parallel()
	s, _ := linkedPair(t, 20)
	w, err := s.db("sales").Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Rollback()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.DropLink(ctx, "DAG_sales"); err != nil {
		t.Error(err)
	}
}

// After a failover the old primary drops the link and makes it anew. Each side has gone its own way since: neither closes
// the other's database, nor takes it for its copy.
func TestALinkMadeAnewOnTheOldPrimary(t *testing.T) {
	t.Parallel()
	s, m := linkedPair(t, 20)
	if err := s.Failover(t.Context(), "DAG_sales"); err != nil {
		t.Fatal(err)
	}
	flows(t, s, m)
	if err := s.DropLink(t.Context(), "DAG_sales"); err != nil {
		t.Fatal(err)
	}
	s.exec("sales", "INSERT INTO t_1(v) VALUES('old')")
	m.exec("sales", "INSERT INTO t_1(v) VALUES('new')")
	distributed(t, s, "sales")
	eventually(t, "the link that was dropped is refused", func() bool { return s.logs("made anew") })
	s.exec("sales", "INSERT INTO t_1(v) VALUES('old 2')")
	m.exec("sales", "INSERT INTO t_1(v) VALUES('new 2')")
	if a, b := s.values("sales"), m.values("sales"); a["old"] != 1 || a["old 2"] != 1 || b["new"] != 1 || b["new 2"] != 1 {
		t.Errorf("the sides have %v and %v", a, b)
	}
	if err := m.DropLink(t.Context(), "DAG_sales"); err != nil {
		t.Error(err)
	}
}
