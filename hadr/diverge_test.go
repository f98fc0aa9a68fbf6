package hadr_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"linkspan/hadr/agcore"
)

// A copy that is not the primary's any more stops before anybody sees it, names what differs, and RESUME brings it in line
// with the pages that differ alone.
func TestADivergedCopyIsSeededByDifference(t *testing.T) {
	t.Parallel()
	s, m := linkedPair(t, 3000)
	caughtUp(t, s, m, "sales")
	// What nobody can do over the link: the copy is opened by itself, and gets a row of its own.
	m.stop()
	m.alone("sales", "UPDATE t_1 SET v = 'mine' WHERE id = 1500")
	m.start()
	for i := range 5 {
		s.exec("sales", fmt.Sprintf("UPDATE t_1 SET v = 'theirs %d' WHERE id = 1500", i))
	}
	eventually(t, "suspended", inPhase(m, "DAG_sales", agcore.PhaseSuspended))
	st, _ := m.Link("DAG_sales")
	if !strings.Contains(st.Divergence, "log") && !strings.Contains(st.Divergence, "page") {
		t.Errorf("the divergence is told as %q", st.Divergence)
	}
	if err := m.Resume(t.Context(), "sales"); err != nil {
		t.Fatal(err)
	}
	flows(t, s, m)
	caughtUp(t, s, m, "sales")
	if got := m.values("sales"); got["mine"] != 0 || got["theirs 4"] != 1 {
		t.Errorf("the copy has 'mine' %d times and 'theirs 4' %d times", got["mine"], got["theirs 4"])
	}
}

// A copy that fell behind the log there is goes on by difference, by itself.
func TestACopyThatFellBehindIsSeededByDifference(t *testing.T) {
	t.Parallel()
	s, m := linkedPair(t, 3000)
	caughtUp(t, s, m, "sales")
	m.stop()
	s.forget.Store(true) // the log that the link needs
	for i := range 30 {
		s.exec("sales", fmt.Sprintf("UPDATE t_1 SET v = hex(randomblob(200)) WHERE id %% 30 = %d", i))
		if err := s.db("sales").Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.forget.Store(false)
	m.start()
	flows(t, s, m)
	caughtUp(t, s, m, "sales")
	if got, want := m.count("sales"), s.count("sales"); got != want {
		t.Errorf("the copy has %d rows, the source %d", got, want)
	}
}

// alone opens a copy without its link, as a primary, changes it, and closes it as a copy.
func (n *node) alone(name, sql string) {
	n.t.Helper()
	ctx := context.Background()
	db := n.reopen(name)
	defer func() {
		if err := db.Close(); err != nil {
			n.t.Error(err)
		}
	}()
	if err := db.Promote(ctx, db.Epoch()+1); err != nil {
		n.t.Fatal(err)
	}
	if _, err := tryExec(ctx, db, sql); err != nil {
		n.t.Fatal(err)
	}
	if err := db.Demote(ctx); err != nil {
		n.t.Fatal(err)
	}
}
