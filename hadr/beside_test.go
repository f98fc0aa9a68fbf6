package hadr_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"linkspan/hadr"
	"linkspan/storage"
)

// rescueFolder is where the tests' rescue files are.
const rescueFolder = "/rescue"

// keepRows is hadr.Options.Rescue for a node: the values that the tail has and the other version has not, durable when it
// returns.
func (n *node) keepRows(ctx context.Context, db *storage.DB, o hadr.RescueOrder) (r hadr.Rescued, err error) {
	other := o.Other
	if other == nil {
		if other, err = db.ReaderAt(ctx, o.Fork); err != nil {
			return r, err
		}
		defer other.Release()
	}
	tail, err := db.ReaderAt(ctx, o.Tail)
	if err != nil {
		return r, err
	}
	defer tail.Release()
	has, err := allValues(other)
	if err != nil {
		return r, err
	}
	mine, err := allValues(tail)
	if err != nil {
		return r, err
	}
	var text strings.Builder
	for v := range mine {
		if !has[v] {
			fmt.Fprintln(&text, v)
			r.Rows++
		}
	}
	r.File, r.Tables, r.Partial = fmt.Sprintf("%s/%d", rescueFolder, n.rescues.Add(1)), 1, o.Other != nil
	return r, n.writeDurably(r.File, text.String())
}

func (n *node) writeDurably(name, text string) error {
	if err := n.disk.MkdirAll(rescueFolder); err != nil {
		return err
	}
	f, err := n.disk.Create(name)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(text), 0)
	return errors.Join(err, f.Sync(), f.Close(), n.disk.SyncDir(rescueFolder), n.disk.SyncDir("/"))
}

func allValues(c *storage.Conn) (map[string]bool, error) {
	if _, err := c.Begin(); err != nil {
		return nil, err
	}
	st, err := c.Stmt("SELECT v FROM t_1")
	if err != nil {
		return nil, c.Cause(err)
	}
	out := map[string]bool{}
	for st.Step() {
		out[st.ColumnText(0)] = true
	}
	return out, c.Cause(st.Err())
}

// rescued is what all rescue files of a node hold.
func (n *node) rescued() string {
	n.t.Helper()
	list, err := n.disk.ReadDir(rescueFolder)
	if err != nil {
		return ""
	}
	var all strings.Builder
	for _, e := range list {
		f, err := n.disk.Open(rescueFolder + "/" + e.Name())
		if err != nil {
			n.t.Fatal(err)
		}
		i, err := e.Info()
		if err != nil {
			n.t.Fatal(err)
		}
		b := make([]byte, i.Size())
		_, err = f.ReadAt(b, 0)
		if err := errors.Join(err, f.Close()); err != nil && len(b) > 0 {
			n.t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

// outlivedWithoutLog makes a pair whose old primary, s, has rows of its own and no log back to where the sides parted, and
// whose new one, m, has others.
func outlivedWithoutLog(t *testing.T) (s, m *node) {
	t.Helper()
	s = source(t, nil)
	s.edit = func(o *hadr.Options) { o.Rescue = s.keepRows }
	s.restart()
	m = target(t)
	introduce(t, s, m, targetFQDN)
	s.create("sales", 3000)
	group(t, s, "sales")
	at := s.address()
	w := newWire(t, func() string { return at })
	if err := m.JoinLink(t.Context(), spec("sales", w.url())); err != nil {
		t.Fatal(err)
	}
	flows(t, s, m)
	caughtUp(t, s, m, "sales")
	w.down()
	eventually(t, "the sides are apart", func() bool {
		a, _ := s.Link("DAG_sales")
		b, _ := m.Link("DAG_sales")
		return !a.Connected && !b.Connected
	})
	if err := m.ForceFailover(t.Context(), "DAG_sales"); err != nil {
		t.Fatal(err)
	}
	m.exec("sales", "INSERT INTO t_1(v) VALUES('new')")
	s.exec("sales", "INSERT INTO t_1(v) VALUES('lost'); UPDATE t_1 SET v = 'changed' WHERE id = 700")
	s.forget.Store(true) // the log that the link needs
	for i := range 30 {
		s.exec("sales", fmt.Sprintf("UPDATE t_1 SET v = v || '.' WHERE id BETWEEN 1000 AND 2999 AND id %% 30 = %d", i))
		if err := s.db("sales").Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.forget.Store(false)
	w.up()
	eventually(t, "the old primary is outlived", func() bool { return s.db("sales").IsFenced() })
	eventually(t, "the sides meet", func() bool { st, _ := s.Link("DAG_sales"); return st.Connected })
	return s, m
}

// backAsCopy sees that the old primary follows, with the new one's rows, and that what it had is in a file.
func backAsCopy(t *testing.T, s, m *node) {
	t.Helper()
	flows(t, s, m)
	caughtUp(t, m, s, "sales")
	if got := s.values("sales"); got["lost"] != 0 || got["changed"] != 0 || got["new"] != 1 {
		t.Errorf("the old primary has lost %d, changed %d, new %d times", got["lost"], got["changed"], got["new"])
	}
	for _, v := range []string{"lost\n", "changed\n"} {
		if !strings.Contains(s.rescued(), v) {
			t.Errorf("%q is in no rescue file", v)
		}
	}
}

// The log of an old primary does not reach back to where the sides parted: its rows are compared with the new primary's,
// what differs goes to a file, and only then are its pages replaced by those that differ. What was measured is told.
func TestTheWayBackWithoutTheLog(t *testing.T) {
	t.Parallel()
	s, m := outlivedWithoutLog(t)
	m.exec("sales", "INSERT INTO t_1(v) VALUES('newer')")
	if err := s.SetRoleSecondary(t.Context(), "DAG_sales"); err != nil {
		t.Fatal(err)
	}
	backAsCopy(t, s, m)
	st, _ := s.Link("DAG_sales")
	if l := st.Loss; l == nil || !l.Measured || !l.Partial || l.Beside.IsZero() || l.Rows < 2 || l.File == "" {
		t.Fatalf("the measured loss is %+v", st.Loss)
	}
	if e := st.LossMessage(); e.Number != 58018 || !strings.Contains(e.Message, st.Loss.File) {
		t.Errorf("it is told as %v", e)
	}
	if !s.logs("compared with the new primary") {
		t.Error("the error log does not have it")
	}
	r := find(t, rows(t, s, "dm_linkspan_links"), map[string]any{"link_name": "DAG_sales", "loss_is_partial": 1})
	if r["loss_rows"].N != st.Loss.Rows || r["loss_file"].S != st.Loss.File {
		t.Errorf("the view has %v", r)
	}
	if err := m.Failover(t.Context(), "DAG_sales"); err != nil {
		t.Fatal(err)
	}
	s.exec("sales", "INSERT INTO t_1(v) VALUES('back')")
	flows(t, s, m)
	caughtUp(t, s, m, "sales")
}

// A full disk stops it with an error that says so, before anything has changed; with room it works.
func TestTheWayBackOnAFullDisk(t *testing.T) {
	t.Parallel()
	s, m := outlivedWithoutLog(t)
	before := s.db("sales").Appended()
	s.disk.SetLimit(s.disk.Used() + 12<<10)
	err := s.SetRoleSecondary(t.Context(), "DAG_sales")
	if err == nil || !strings.Contains(err.Error(), "disk") && !strings.Contains(err.Error(), "space") {
		t.Errorf("with the disk full: %v", err)
	}
	if db := s.db("sales"); db.IsReplica() || !db.IsFenced() || db.Appended() != before {
		t.Error("with the disk full something has changed")
	}
	s.disk.SetLimit(-1)
	if err := s.SetRoleSecondary(t.Context(), "DAG_sales"); err != nil {
		t.Fatal(err)
	}
	backAsCopy(t, s, m)
}

// The old primary's power is lost at each change of its disk and documents on that way. Never do both sides take rows, and
// what only it had is in the database or in a file, until it follows.
func TestPowerIsLostOnTheWayBack(t *testing.T) {
	t.Parallel()
	s, m := outlivedWithoutLog(t)
	died := 0
	for step := 1; step < 400 && !following(s); step += 1 + step/12 {
		eventually(t, "the sides meet", func() bool { st, _ := s.Link("DAG_sales"); return st.Connected })
		p := s.dieAfter(step, uint64(step))
		done := make(chan error, 1)
		go func() { done <- s.SetRoleSecondary(context.WithoutCancel(t.Context()), "DAG_sales") }()
		for deadline := time.Now().Add(2 * time.Second); !p.isDead() && !following(s) && time.Now().Before(deadline); {
			<-time.After(5 * time.Millisecond)
		}
		if p.isDead() {
			died++
		}
		if got := writable(t, s, m); len(got) != 1 || got[0] != m {
			t.Fatalf("step %d: %d sides take rows", step, len(got))
		}
		s.crash()
		<-done
		s.recover()
		keptOrThere(t, step, s)
	}
	eventually(t, "it follows or is outlived", func() bool {
		if !following(s) && s.opened("sales") != nil {
			s.SetRoleSecondary(t.Context(), "DAG_sales") //nolint:errcheck // asked until it follows
		}
		return following(s)
	})
	backAsCopy(t, s, m)
	t.Logf("the power was lost %d times", died)
	if died < 10 {
		t.Errorf("the power was lost %d times only", died)
	}
}

func following(n *node) bool {
	st, _ := n.Link("DAG_sales")
	return st.Phase.String() == "SYNCHRONIZING"
}

// keptOrThere sees that the row only the old primary had is in its database, or in a file.
func keptOrThere(t *testing.T, step int, s *node) {
	t.Helper()
	if strings.Contains(s.rescued(), "lost\n") {
		return
	}
	db := s.opened("sales")
	if db == nil {
		t.Fatalf("step %d: the database is gone, and no file has its rows", step)
	}
	c, err := db.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	if all, err := allValues(c); err != nil || !all["lost"] {
		t.Fatalf("step %d: the row is neither there nor in a file (%v)", step, err)
	}
}
