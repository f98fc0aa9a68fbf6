package hadr_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/sqlerr"
	"linkspan/storage"
)

func TestALinkFromBeginningToEnd(t *testing.T) {
	t.Parallel()
	s, m := source(t, nil), target(t)
	introduce(t, s, m, targetFQDN)
	s.create("sales", 3000)
	group(t, s, "sales")
	if st, _ := s.Link("DAG_sales"); st.Connected || st.Phase != agcore.PhaseCreated {
		t.Errorf("before the join the link is %+v", st)
	}
	if err := m.JoinLink(t.Context(), spec("sales", s.url())); err != nil {
		t.Fatal(err)
	}
	if m.find("sales") == nil {
		t.Fatal("after the join there is no database")
	}
	for i := range 50 {
		s.exec("sales", fmt.Sprintf("INSERT INTO t_1(v) VALUES('while seeding %d')", i))
	}
	for _, n := range []*node{s, m} {
		eventually(t, "streaming on "+n.name, inPhase(n, "dag_sales", agcore.PhaseSynchronizing))
	}
	caughtUp(t, s, m, "sales")
	if got := m.count("sales"); got != 3050 {
		t.Errorf("the copy has %d rows", got)
	}
	if _, err := m.db("sales").Writer(t.Context()); !errors.Is(err, storage.ErrReplica) {
		t.Errorf("the copy takes a writer: %v", err)
	}
	a, b := s.Links()[0], m.Links()[0]
	if a.LinkID != b.LinkID || a.SourceReplicaID != b.SourceReplicaID || a.TargetReplicaID != b.TargetReplicaID || a.LinkID.IsZero() ||
		!a.Connected || !b.Connected || a.Role != agcore.Primary || b.Role != agcore.Secondary || b.Health != agcore.Healthy {
		t.Errorf("the sides see\n%+v\n%+v", a, b)
	}
	if err := m.JoinLink(t.Context(), spec("sales", s.url())); err != nil {
		t.Errorf("joining again: %v", err)
	}
	if _, replica, db, ok := m.Member("Sales"); !ok || replica.IsZero() || db.IsZero() {
		t.Error("the copy is in no group")
	}

	if err := m.DropLink(t.Context(), "DAG_sales"); err != nil {
		t.Fatal(err)
	}
	if m.db("sales").IsReplica() || !m.find("sales").writable {
		t.Error("after the link is dropped the copy is not an ordinary database")
	}
	m.exec("sales", "INSERT INTO t_1(v) VALUES('mine')")
	s.exec("sales", "INSERT INTO t_1(v) VALUES('yours')")
	if len(m.Links()) != 0 || sqlerr.Number(m.DropLink(t.Context(), "DAG_sales")) != 15151 {
		t.Error("the dropped link is still there")
	}
	eventually(t, "the source sees it", func() bool { st, _ := s.Link("DAG_sales"); return !st.Connected })
	for _, g := range []string{"DAG_sales", "AG_sales"} {
		if err := s.DropGroup(t.Context(), g); err != nil {
			t.Error(err)
		}
	}
	if s.count("sales") != 3051 || m.count("sales") != 3051 {
		t.Error("rows are missing")
	}
	s.restart()
	m.restart()
	if m.db("sales").IsReplica() || len(m.Links())+len(s.Links()) != 0 {
		t.Error("after a restart the link is back")
	}
}

// Ten links side by side, all with the same group name on the managed instance, as the guide's scripts make them.
func TestManyLinks(t *testing.T) {
	t.Parallel()
	s, m := source(t, nil), target(t)
	introduce(t, s, m, targetFQDN)
	var wg sync.WaitGroup
	for i := range 10 {
		name := fmt.Sprintf("db%d", i)
		s.create(name, 20*i)
		group(t, s, name)
		wg.Go(func() {
			if err := m.JoinLink(t.Context(), spec(name, s.url())); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range 10 {
		name := fmt.Sprintf("db%d", i)
		s.exec(name, "INSERT INTO t_1(v) VALUES('x')")
		eventually(t, name+" streams", inPhase(m, "DAG_"+name, agcore.PhaseSynchronizing))
		caughtUp(t, s, m, name)
		if got := m.count(name); got != 20*i+1 {
			t.Errorf("%s has %d rows", name, got)
		}
	}
	if err := m.DropLink(t.Context(), "DAG_db3"); err != nil {
		t.Error(err)
	}
	if got := len(m.Links()); got != 9 {
		t.Errorf("%d links are left", got)
	}
	s.exec("db4", "INSERT INTO t_1(v) VALUES('y')")
	caughtUp(t, s, m, "db4")
}

// load commits rows until stop, and returns how many were acknowledged.
func load(ctx context.Context, t *testing.T, n *node, name string) (stop func() int) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan int)
	go func() {
		acknowledged := 0
		for ctx.Err() == nil {
			d := n.find(name)
			n.mu.Lock()
			db := d.db
			n.mu.Unlock()
			if db == nil {
				<-time.After(time.Millisecond)
				continue
			}
			if _, err := tryExec(ctx, db, "INSERT INTO t_1(v) VALUES(hex(randomblob(20)))"); err == nil {
				acknowledged++
			}
			<-time.After(200 * time.Microsecond)
		}
		done <- acknowledged
	}()
	return func() int { cancel(); return <-done }
}

func TestCutsWhileSeedingAndStreaming(t *testing.T) {
	t.Parallel()
	s, m := source(t, nil), target(t)
	introduce(t, s, m, targetFQDN)
	s.create("sales", 20_000) // 9 MiB
	group(t, s, "sales")
	w := newWire(t, s.address)
	stop := load(t.Context(), t, s, "sales")
	if err := m.JoinLink(t.Context(), spec("sales", w.url())); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		<-time.After(10 * time.Millisecond)
		w.cut()
	}
	eventually(t, "streaming", inPhase(m, "DAG_sales", agcore.PhaseSynchronizing))
	for range 10 {
		<-time.After(20 * time.Millisecond)
		w.cut()
		eventually(t, "streaming again", inPhase(m, "DAG_sales", agcore.PhaseSynchronizing))
	}
	n := stop()
	s.exec("sales", "UPDATE t_1 SET v = hex(randomblob(200))") // one commit of several batches
	caughtUp(t, s, m, "sales")
	if got, want := m.count("sales"), s.count("sales"); got != want || want < 20_000+n {
		t.Errorf("the copy has %d rows, the source %d, %d were acknowledged", got, want, n)
	}
}

func TestRestartsOfEitherSide(t *testing.T) {
	t.Parallel()
	s, m := source(t, nil), target(t)
	introduce(t, s, m, targetFQDN)
	s.create("sales", 20_000)
	group(t, s, "sales")
	if err := m.JoinLink(t.Context(), spec("sales", s.url())); err != nil {
		t.Fatal(err)
	}
	stop := load(t.Context(), t, s, "sales")
	for i := range 3 {
		<-time.After(time.Duration(5+10*i) * time.Millisecond)
		m.restart()
	}
	stop()
	s.restart()
	eventually(t, "streaming", inPhase(m, "DAG_sales", agcore.PhaseSynchronizing))
	caughtUp(t, s, m, "sales")
	for i := range 3 {
		m.stop()
		for range 20 {
			s.exec("sales", "INSERT INTO t_1(v) VALUES('while away')")
		}
		if err := s.db("sales").Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			s.restart()
			if err := s.db("sales").Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		m.start()
		caughtUp(t, s, m, "sales")
	}
	if got, want := m.count("sales"), s.count("sales"); got != want {
		t.Errorf("the copy has %d rows, the source %d", got, want)
	}
}
