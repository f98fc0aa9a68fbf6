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

// linkedPair makes a link of a database with some rows, and waits until its log flows.
func linkedPair(t *testing.T, rows int) (s, m *node) {
	t.Helper()
	s, m = source(t, nil), target(t)
	introduce(t, s, m, targetFQDN)
	s.create("sales", rows)
	group(t, s, "sales")
	if err := m.JoinLink(t.Context(), spec("sales", s.url())); err != nil {
		t.Fatal(err)
	}
	flows(t, s, m)
	return s, m
}

// flows waits until log flows between the nodes, whichever way.
func flows(t *testing.T, nodes ...*node) {
	t.Helper()
	for _, n := range nodes {
		eventually(t, "log flows on "+n.name, inPhase(n, "DAG_sales", agcore.PhaseSynchronizing))
	}
}

// clients commit numbered rows on whichever of two nodes takes them, and remember which were acknowledged.
type clients struct {
	nodes  []*node
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	acked  map[string]bool
}

func startClients(t *testing.T, count int, nodes ...*node) *clients {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := &clients{nodes: nodes, cancel: cancel, acked: map[string]bool{}}
	for i := range count {
		c.wg.Go(func() { c.run(ctx, i) })
	}
	t.Cleanup(func() { c.stop() })
	return c
}

func (c *clients) run(ctx context.Context, id int) {
	at := 0
	for i := 0; ctx.Err() == nil; i++ {
		key := fmt.Sprintf("c%d-%d", id, i)
		n := c.nodes[at%len(c.nodes)]
		db := n.opened("sales")
		if db == nil {
			at++
			<-time.After(time.Millisecond)
			continue
		}
		wait, cancel := context.WithTimeout(ctx, 2*time.Second)
		_, err := tryExec(wait, db, "INSERT INTO t_1(v) VALUES('"+key+"')")
		cancel()
		if err != nil {
			at++
			<-time.After(500 * time.Microsecond)
			continue
		}
		c.mu.Lock()
		c.acked[key] = true
		c.mu.Unlock()
	}
}

// stop ends the clients and returns the rows that were acknowledged.
func (c *clients) stop() map[string]bool {
	c.cancel()
	c.wg.Wait()
	return c.acked
}

// opened is the database, or nil while it is not open.
func (n *node) opened(name string) *storage.DB {
	n.mu.Lock()
	defer n.mu.Unlock()
	if d := n.databases[name]; d != nil {
		return d.db
	}
	return nil
}

// values are the texts that a new reader sees.
func (n *node) values(name string) map[string]int {
	n.t.Helper()
	c, err := n.db(name).Reader(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	defer c.Release()
	st, err := c.Stmt("SELECT v FROM t_1")
	if err != nil {
		n.t.Fatal(err)
	}
	out := map[string]int{}
	for st.Step() {
		out[st.ColumnText(0)]++
	}
	if err := st.Err(); err != nil {
		n.t.Fatal(err)
	}
	return out
}

// keeps checks that every acknowledged row is on both nodes, once, and that both are equal.
func keeps(t *testing.T, acked map[string]bool, primary, replica *node) {
	t.Helper()
	caughtUp(t, primary, replica, "sales")
	for _, n := range []*node{primary, replica} {
		got := n.values("sales")
		for key := range acked {
			if got[key] != 1 {
				t.Errorf("%s has the acknowledged row %s %d times", n.name, key, got[key])
			}
		}
	}
}

func TestPlannedFailoverAndBackUnderLoad(t *testing.T) {
	t.Parallel()
	s, m := linkedPair(t, 100)
	c := startClients(t, 4, s, m)
	from, to := s, m
	for i := range 6 {
		<-time.After(20 * time.Millisecond)
		flows(t, s, m)
		if err := from.Failover(t.Context(), "DAG_sales"); err != nil {
			t.Fatalf("failover %d from %s: %v", i, from.name, err)
		}
		if !from.db("sales").IsReplica() || to.db("sales").IsReplica() {
			t.Fatalf("failover %d did not change the roles", i)
		}
		if _, err := from.db("sales").Writer(t.Context()); !errors.Is(err, storage.ErrReplica) {
			t.Errorf("the old primary takes a writer: %v", err)
		}
		wantNumber(t, "from the copy", from.Failover(t.Context(), "DAG_sales"), 47517)
		from, to = to, from
		st, _ := from.Link("DAG_sales")
		t.Logf("pause of failover %d: %v", i, st.Pause)
	}
	<-time.After(20 * time.Millisecond)
	acked := c.stop()
	flows(t, s, m)
	keeps(t, acked, from, to)
	if len(acked) == 0 {
		t.Error("nothing was acknowledged")
	}
	if a, b := s.Links()[0], m.Links()[0]; a.Role != agcore.Primary || b.Role != agcore.Secondary {
		t.Errorf("the roles are %v and %v", a.Role, b.Role)
	}
	t.Logf("%d rows acknowledged", len(acked))
	if n := sqlerr.Number(s.SetRoleSecondary(t.Context(), "AG_sales")); n != 19512 {
		t.Errorf("SET ROLE of a group that is not distributed: %d", n)
	}
}

// A forced failover while the sides cannot meet; the old primary, which had rows of its own, is outlived when they do, and
// comes back by SET (ROLE = SECONDARY).
func TestForcedFailoverAndTheWayBack(t *testing.T) {
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
	s.exec("sales", "INSERT INTO t_1(v) VALUES('shared')")
	caughtUp(t, s, m, "sales")
	w.down()
	eventually(t, "the sides are apart", func() bool {
		a, _ := s.Link("DAG_sales")
		b, _ := m.Link("DAG_sales")
		return !a.Connected && !b.Connected
	})
	s.exec("sales", "INSERT INTO t_1(v) VALUES('lost')")
	wantNumber(t, "force on the primary", s.ForceFailover(t.Context(), "DAG_sales"), 41122)
	if err := m.ForceFailover(t.Context(), "DAG_sales"); err != nil {
		t.Fatal(err)
	}
	m.exec("sales", "INSERT INTO t_1(v) VALUES('new')")
	if st, _ := m.Link("DAG_sales"); st.Loss == nil || st.Loss.Epoch != m.db("sales").Epoch() {
		t.Errorf("the loss is %+v", st.Loss)
	}
	wantNumber(t, "apart", s.SetRoleSecondary(t.Context(), "DAG_sales"), 41190)
	w.up()
	eventually(t, "the old primary is outlived", func() bool { return s.db("sales").IsFenced() })
	_, err := s.db("sales").Writer(t.Context())
	wantNumber(t, "a write on the old primary", err, 58012)
	dag, _ := m.Link("DAG_sales")
	for n, health := range map[*node]string{s: "NOT_HEALTHY", m: "HEALTHY"} {
		find(t, rows(t, n, "dm_hadr_availability_replica_states"), map[string]any{"group_id": string(dag.LinkID[:]), "role_desc": "PRIMARY", "is_local": 1,
			"connected_state_desc": "CONNECTED", "synchronization_health_desc": health})
	}
	s.restart()
	eventually(t, "the sides meet again", func() bool { st, _ := s.Link("DAG_sales"); return st.Connected })
	if !s.db("sales").IsFenced() {
		t.Error("after a restart the old primary takes writers")
	}
	if err := s.SetRoleSecondary(t.Context(), "DAG_sales"); err != nil {
		t.Fatal(err)
	}
	flows(t, s, m)
	caughtUp(t, m, s, "sales")
	if got := s.values("sales"); got["lost"] != 0 || got["new"] != 1 || got["shared"] != 1 {
		t.Errorf("the old primary has lost %d, new %d, shared %d times", got["lost"], got["new"], got["shared"])
	}
	if st, _ := s.Link("DAG_sales"); st.Loss == nil || !st.Loss.Measured {
		t.Errorf("the measured loss is %+v", st.Loss)
	}
	if err := m.Failover(t.Context(), "DAG_sales"); err != nil {
		t.Fatal(err)
	}
	s.exec("sales", "INSERT INTO t_1(v) VALUES('back')")
	flows(t, s, m)
	caughtUp(t, s, m, "sales")
}
