package hadr_test

import (
	"path/filepath"
	"strings"
	"testing"

	"linkspan/hadr/agcore"
)

// A copy whose pages are not what was written stops, says so on both sides, and shows only what was right. Other links go
// on.
func TestADamagedCopyIsSuspended(t *testing.T) {
	t.Parallel()
	s, m := source(t, nil), target(t)
	introduce(t, s, m, targetFQDN)
	for _, name := range []string{"sales", "hr"} {
		s.create(name, 2000)
		group(t, s, name)
		if err := m.JoinLink(t.Context(), spec(name, s.url())); err != nil {
			t.Fatal(err)
		}
		eventually(t, "streaming", inPhase(m, "DAG_"+name, agcore.PhaseSynchronizing))
		caughtUp(t, s, m, name)
	}
	m.stop()
	flip(t, m, "/sales")
	m.start()
	eventually(t, "streaming", inPhase(m, "DAG_hr", agcore.PhaseSynchronizing))
	seen := m.count("hr")
	s.exec("sales", "UPDATE t_1 SET v = v || 'x'")
	for _, n := range []*node{m, s} {
		eventually(t, "suspended on "+n.name, inPhase(n, "DAG_sales", agcore.PhaseSuspended))
	}
	if !m.logs("sales") || !m.logs("page") {
		t.Error("the error log does not name the database and the page")
	}
	r := find(t, rows(t, m, "dm_hadr_database_replica_states"), map[string]any{"is_suspended": 1, "synchronization_health_desc": "NOT_HEALTHY"})
	if !strings.HasPrefix(r["suspend_reason_desc"].S, "SUSPEND_FROM_") {
		t.Errorf("the reason is %q", r["suspend_reason_desc"].S)
	}
	for _, n := range []*node{m, s} {
		if st, _ := n.Link("DAG_sales"); !strings.Contains(st.Reason, "checksum") {
			t.Errorf("the link on %s does not say why: %q", n.name, st.Reason)
		}
	}
	s.exec("hr", "INSERT INTO t_1(v) VALUES('goes on')")
	caughtUp(t, s, m, "hr")
	if m.count("hr") != seen+1 {
		t.Error("the other link stopped, too")
	}
}

// flip changes one byte in the middle of almost every page on disk.
func flip(t *testing.T, n *node, dir string) {
	t.Helper()
	entries, err := n.disk.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var name string
	var size int64
	for _, e := range entries {
		if i, err := e.Info(); err == nil && e.Name() == "pages.data" && i.Size() > size {
			name, size = e.Name(), i.Size()
		}
	}
	f, err := n.disk.OpenRW(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	for at := int64(3*8192 + 100); at < size; at += 8192 {
		if _, err := f.ReadAt(b, at); err != nil {
			t.Fatal(err)
		}
		b[0] ^= 0x40
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
	}
}
