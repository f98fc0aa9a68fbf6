package hadr_test

import (
	"testing"

	"linkspan/hadr/agcore"
)

// A connection can break after a commit was appended to the copy's log and before it was shown. When the link goes on,
// the commit is shown although no new one comes to push it.
func TestATailAppendedBeforeACutIsShown(t *testing.T) {
	t.Parallel()
	s, m := source(t, nil), target(t)
	introduce(t, s, m, targetFQDN)
	s.create("sales", 10)
	group(t, s, "sales")
	if err := m.JoinLink(t.Context(), spec("sales", s.url())); err != nil {
		t.Fatal(err)
	}
	eventually(t, "streaming", inPhase(m, "DAG_sales", agcore.PhaseSynchronizing))
	caughtUp(t, s, m, "sales")
	if err := m.Suspend(t.Context(), "sales"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "suspended", inPhase(m, "DAG_sales", agcore.PhaseSuspended))

	s.exec("sales", "INSERT INTO t_1(v) VALUES('the tail')")
	log, err := s.db("sales").LogReader(m.db("sales").Appended())
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	b, err := log.Next(t.Context(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.db("sales").AppendLog(t.Context(), b.Records); err != nil {
		t.Fatal(err)
	}
	if m.count("sales") != 10 {
		t.Fatal("the copy shows what nobody published")
	}
	if err := m.Resume(t.Context(), "sales"); err != nil {
		t.Fatal(err)
	}
	caughtUp(t, s, m, "sales")
	if got := m.count("sales"); got != 11 {
		t.Errorf("the copy shows %d rows, want 11", got)
	}
}
