package hadr_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"linkspan/hadr/agcore"
)

// setMode is ALTER AVAILABILITY GROUP … MODIFY AVAILABILITY GROUP ON of both members.
func setMode(t *testing.T, n *node, mode agcore.AvailabilityMode) {
	t.Helper()
	err := n.AlterGroup(t.Context(), agcore.Change{Name: "DAG_sales", ModifyMembers: []agcore.MemberSpec{{Name: "AG_sales", Mode: &mode}, {Name: "sqlmi1", Mode: &mode}}})
	if err != nil {
		t.Fatal(err)
	}
}

func inSync(n *node, want agcore.SyncState) func() bool {
	return func() bool { st, ok := n.Link("DAG_sales"); return ok && st.Sync == want }
}

// In synchronous mode no commit is acknowledged before the copy has hardened it, and the mode is switched while commits run.
func TestSynchronousCommit(t *testing.T) {
	t.Parallel()
	s, m := linkedPair(t, 20)
	c := startClients(t, 4, s)
	for range 3 {
		setMode(t, s, agcore.Synchronous)
		for _, n := range []*node{s, m} {
			eventually(t, "synchronized on "+n.name, inSync(n, agcore.Synchronized))
		}
		for i := range 30 {
			at := s.exec("sales", fmt.Sprintf("INSERT INTO t_1(v) VALUES('together %d')", i))
			if m.db("sales").Hardened().Less(at) {
				t.Fatalf("%v is acknowledged, the copy has hardened %v", at, m.db("sales").Hardened())
			}
		}
		setMode(t, s, agcore.Asynchronous)
		for _, n := range []*node{s, m} {
			eventually(t, "synchronizing on "+n.name, inSync(n, agcore.Synchronizing))
		}
	}
	keeps(t, c.stop(), s, m)
	// An idle link, too.
	setMode(t, s, agcore.Synchronous)
	eventually(t, "synchronized while idle", inSync(m, agcore.Synchronized))
	find(t, rows(t, s, "dm_hadr_database_replica_states"), map[string]any{"is_local": 0, "synchronization_state_desc": "SYNCHRONIZED", "synchronization_health_desc": "HEALTHY", "is_commit_participant": 1})
	find(t, rows(t, m, "dm_hadr_database_replica_states"), map[string]any{"is_local": 1, "is_primary_replica": 0, "synchronization_state_desc": "SYNCHRONIZED"})
}

// A synchronous copy that is lost is not waited for any more; when it is back and has caught up it is again. One that is
// required is waited for.
func TestALostSynchronousCopy(t *testing.T) {
	t.Parallel()
	s, m := linkedPair(t, 20)
	setMode(t, s, agcore.Synchronous)
	eventually(t, "synchronized", inSync(s, agcore.Synchronized))
	m.stop()
	s.exec("sales", "INSERT INTO t_1(v) VALUES('alone')")
	m.start()
	eventually(t, "synchronized again", inSync(s, agcore.Synchronized))
	caughtUp(t, s, m, "sales")

	if err := s.AlterGroup(t.Context(), agcore.Change{Name: "DAG_sales", Set: &agcore.OptionSpec{RequiredSync: new(1)}}); err != nil {
		t.Fatal(err)
	}
	m.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := tryExec(ctx, s.db("sales"), "INSERT INTO t_1(v) VALUES('required')"); err == nil {
		t.Error("a commit was acknowledged without the copy that is required")
	}
	m.start()
	eventually(t, "the commit is shown", func() bool { return s.values("sales")["required"] == 1 })
	s.exec("sales", "INSERT INTO t_1(v) VALUES('again')")
	wantNumber(t, "async while one is required", s.AlterGroup(t.Context(), agcore.Change{Name: "DAG_sales", ModifyMembers: []agcore.MemberSpec{{Name: "sqlmi1", Mode: new(agcore.Asynchronous)}}}), 19530)
}

// A synchronous copy that hangs holds commits up until its session times out.
func TestASynchronousCopyThatHangs(t *testing.T) {
	t.Parallel()
	s, m := source(t, nil), target(t)
	introduce(t, s, m, targetFQDN)
	s.create("sales", 20)
	group(t, s, "sales")
	at := s.address()
	w := newWire(t, func() string { return at })
	if err := m.JoinLink(t.Context(), spec("sales", w.url())); err != nil {
		t.Fatal(err)
	}
	flows(t, s, m)
	const seconds = 5
	err := s.AlterGroup(t.Context(), agcore.Change{Name: "DAG_sales", ModifyMembers: []agcore.MemberSpec{
		{Name: "AG_sales", Mode: new(agcore.Synchronous), SessionTimeout: new(seconds)}, {Name: "sqlmi1", Mode: new(agcore.Synchronous), SessionTimeout: new(seconds)}}})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "synchronized", inSync(s, agcore.Synchronized))
	w.freeze()
	began := time.Now()
	s.exec("sales", "INSERT INTO t_1(v) VALUES('held up')")
	if took := time.Since(began); took < seconds*time.Second/2 {
		t.Errorf("the commit was acknowledged after %v without its copy", took)
	}
	if st, _ := s.Link("DAG_sales"); st.LastError.Number != 35206 {
		t.Errorf("the link's last error is %+v", st.LastError)
	}
	w.thaw()
	w.cut()
	eventually(t, "synchronized again", inSync(s, agcore.Synchronized))
	caughtUp(t, s, m, "sales")
}

// After a restart no commit is acknowledged without a copy that is required, however early it comes.
func TestARequiredCopyIsWaitedForFromTheStart(t *testing.T) {
	t.Parallel()
	s, m := linkedPair(t, 20)
	setMode(t, s, agcore.Synchronous)
	if err := s.AlterGroup(t.Context(), agcore.Change{Name: "DAG_sales", Set: &agcore.OptionSpec{RequiredSync: new(1)}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "synchronized", inSync(s, agcore.Synchronized))
	m.stop()
	for range 5 {
		s.restart()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if _, err := tryExec(ctx, s.db("sales"), "INSERT INTO t_1(v) VALUES('early')"); err == nil {
			t.Error("a commit was acknowledged without the copy that is required")
		}
		cancel()
	}
	m.start()
	eventually(t, "the commits are shown", func() bool { return s.values("sales")["early"] > 0 })
}
