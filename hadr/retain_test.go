package hadr_test

import (
	"fmt"
	"testing"

	"linkspan/hadr/agcore"
)

// The log that a copy has not got is kept, however often the source writes checkpoints while the copy is away; when it
// comes back it goes on from its own position.
func TestLogIsKeptWhileTheCopyIsAway(t *testing.T) {
	t.Parallel()
	s, m := source(t, nil), target(t)
	introduce(t, s, m, targetFQDN)
	s.create("sales", 200)
	group(t, s, "sales")
	if err := m.JoinLink(t.Context(), spec("sales", s.url())); err != nil {
		t.Fatal(err)
	}
	eventually(t, "streaming", inPhase(m, "DAG_sales", agcore.PhaseSynchronizing))
	caughtUp(t, s, m, "sales")
	at := m.db("sales").Hardened()
	m.stop()
	for i := range 20 {
		s.exec("sales", fmt.Sprintf("UPDATE t_1 SET v = v || '%d'", i))
		if err := s.db("sales").Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.restart()
	if err := s.db("sales").Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if oldest := s.db("sales").Stats().OldestLSN; at.Less(oldest) {
		t.Errorf("the copy stands at %v, and the source's log begins after %v", at, oldest)
	}
	m.start()
	eventually(t, "streaming", inPhase(m, "DAG_sales", agcore.PhaseSynchronizing))
	caughtUp(t, s, m, "sales")
}
