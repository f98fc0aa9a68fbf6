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
