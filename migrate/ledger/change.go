package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"time"

	"linkspan/migrate/flow"
)

// change is one transaction on one migration: events are stepped through on a copy, and what differs is written.
type change struct {
	l    *Ledger
	ctx  context.Context //nolint:containedctx // of this transaction
	tx   *sql.Tx
	old  *record
	new  *record
	news []Entry // for the timeline
}

func (l *Ledger) change(ctx context.Context, tx *sql.Tx, id int64) (*change, error) {
	old, err := l.load(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	next := *old
	next.m = old.m.Clone()
	next.done = map[string]bool{}
	for k := range old.done {
		next.done[k] = true
	}
	return &change{l: l, ctx: ctx, tx: tx, old: old, new: &next}, nil
}

// step takes one event in. The error is a *flow.Refusal, and nothing has changed.
func (c *change) step(e flow.Event, who string) error {
	m := c.new.m
	before := look(m, e.Kind)
	if _, err := m.Step(e); err != nil {
		return err
	}
	if e.Kind == flow.ReportWritten && m.Reported {
		c.new.report = e.Text
	}
	c.news = append(c.news, before.tell(m, e, who)...)
	return nil
}

// save writes what differs and the jobs that follow. It reports whether anything did; when not, nothing was written.
func (c *change) save() (bool, error) {
	old, next := c.old, c.new
	due := map[string]bool{}
	for _, e := range next.m.Outstanding() {
		due[e.Key] = true
	}
	rows, err := c.saveRows()
	if err != nil {
		return false, err
	}
	steps, err := c.saveSteps(due)
	if err != nil {
		return false, err
	}
	if next.value, err = encode(next.m); err != nil {
		return false, err
	}
	if !rows && !steps && next.value == old.value && next.report == old.report && len(c.news) == 0 {
		return false, nil
	}
	next.version++
	next.m.Indexed()
	if _, err := c.tx.ExecContext(c.ctx, "UPDATE migrations SET version = ?, state = ?, value = ?, report = ? WHERE id = ?",
		next.version, string(next.m.State), next.value, next.report, next.id); err != nil {
		return false, err
	}
	for _, n := range c.news {
		if err := c.l.note(c.ctx, c.tx, next.activity, next.id, n); err != nil {
			return false, err
		}
	}
	return true, c.l.enqueue(c.ctx, c.tx, next, Lanes(old.m, old.done))
}

// saveRows writes files, sets and chain where they differ.
func (c *change) saveRows() (bool, error) {
	files, err := c.saveFiles()
	if err != nil {
		return false, err
	}
	sets, err := c.saveSets()
	if err != nil {
		return false, err
	}
	chain, err := c.saveChain()
	return files || sets || chain, err
}

// saveFiles walks both lists at once: flow takes files out and appends, and never changes their order.
func (c *change) saveFiles() (bool, error) {
	old, m, now := c.old, c.new.m, c.l.clock.Now().UnixNano()
	rows := make([]row, 0, len(m.Files))
	var seq int64
	if n := len(old.files); n > 0 {
		seq = old.files[n-1].seq
	}
	changed, j := false, 0
	put := c.statement(`INSERT INTO files (migration, seq, name, version, size, set_id, stripe, state, done, reason, bad, arrived, stored, restored)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET size=excluded.size, set_id=excluded.set_id, stripe=excluded.stripe,
		state=excluded.state, done=excluded.done, reason=excluded.reason, bad=excluded.bad, stored=excluded.stored, restored=excluded.restored`)
	defer put.close()
	write := func(w row, f flow.File) error {
		changed = true
		return put.exec(old.id, w.seq, f.Name, f.Version, f.Size, f.Set, f.Sequence, string(f.State), f.Done, f.Reason, f.Bad, w.arrived, w.stored, w.restored)
	}
	for i, f := range old.m.Files {
		if j == len(m.Files) || m.Files[j].Name != f.Name || m.Files[j].Version != f.Version {
			changed = true
			if _, err := c.tx.ExecContext(c.ctx, "DELETE FROM files WHERE migration = ? AND seq = ?", old.id, old.files[i].seq); err != nil {
				return false, err
			}
			continue
		}
		w := old.files[i]
		if g := m.Files[j]; g != f {
			w = w.at(f.State, g.State, now)
			if err := write(w, g); err != nil {
				return false, err
			}
		}
		rows, j = append(rows, w), j+1
	}
	for _, f := range m.Files[j:] {
		seq++
		w := row{seq: seq, arrived: now}
		if err := write(w, f); err != nil {
			return false, err
		}
		rows = append(rows, w)
	}
	c.new.files = rows
	return changed, nil
}

// at notes when a file came to a state first.
func (w row) at(before, now flow.FileState, at int64) row {
	if before == now {
		return w
	}
	switch now {
	case flow.FileUploaded:
		if w.stored == 0 {
			w.stored = at
		}
	case flow.FileRestored:
		w.restored = at
	}
	return w
}

// saveSets: sets are appended, and only what the target says of one changes.
func (c *change) saveSets() (bool, error) {
	old, sets, changed := c.old.m.Sets, c.new.m.Sets, false
	put := c.statement("INSERT INTO sets (migration, seq, value) VALUES (?,?,?) ON CONFLICT DO UPDATE SET value = excluded.value")
	defer put.close()
	for i, s := range sets {
		if i < len(old) && old[i] == s {
			continue
		}
		b, err := json.Marshal(s)
		if err != nil {
			return false, err
		}
		if err := put.exec(c.old.id, i, string(b)); err != nil {
			return false, err
		}
		changed = true
	}
	return changed, nil
}

// saveChain: the chain is cut somewhere, and appended to.
func (c *change) saveChain() (bool, error) {
	old, chain := c.old.m.Chain, c.new.m.Chain
	same := 0
	for same < len(old) && same < len(chain) && old[same] == chain[same] {
		same++
	}
	if same < len(old) {
		if _, err := c.tx.ExecContext(c.ctx, "DELETE FROM chain WHERE migration = ? AND pos >= ?", c.old.id, same); err != nil {
			return false, err
		}
	}
	put := c.statement("INSERT INTO chain (migration, pos, set_id) VALUES (?,?,?)")
	defer put.close()
	for i, id := range chain[same:] {
		if err := put.exec(c.old.id, same+i, id); err != nil {
			return false, err
		}
	}
	return same < max(len(old), len(chain)), nil
}

// saveSteps forgets effects that are not outstanding any more: one that begins anew is carried out anew.
func (c *change) saveSteps(due map[string]bool) (bool, error) {
	changed := false
	for key := range c.new.done {
		if !due[key] {
			delete(c.new.done, key)
		}
	}
	for key := range c.old.done {
		changed = changed || !c.new.done[key]
	}
	var gone []string
	err := each(c.ctx, c.tx, func(rows *sql.Rows) error {
		var key string
		err := rows.Scan(&key)
		if !due[key] {
			gone = append(gone, key)
		}
		return err
	}, "SELECT key FROM steps WHERE migration = ?", c.old.id)
	if err != nil {
		return false, err
	}
	for _, key := range gone {
		if _, err := c.tx.ExecContext(c.ctx, "DELETE FROM steps WHERE migration = ? AND key = ?", c.old.id, key); err != nil {
			return false, err
		}
	}
	return changed || !slices.Equal(sortedKeys(c.old.done), sortedKeys(c.new.done)), nil
}

// commit ends a transaction that changed the migration: the ledger's memory follows, and whoever watches is told. It MUST
// be called after the transaction is on disk.
func (c *change) commit() {
	if c.new.version == c.old.version {
		return
	}
	c.l.keep(c.new)
	c.l.changed(c.new.snapshot())
}

// statement is one prepared when it is first needed.
type statement struct {
	c     *change
	query string
	s     *sql.Stmt
}

func (c *change) statement(query string) *statement { return &statement{c: c, query: query} }

func (s *statement) exec(args ...any) error {
	if s.s == nil {
		var err error
		if s.s, err = s.c.tx.PrepareContext(s.c.ctx, s.query); err != nil {
			return err
		}
	}
	_, err := s.s.ExecContext(s.c.ctx, args...)
	return err
}

func (s *statement) close() {
	if s.s != nil {
		s.s.Close() //nolint:errcheck // it ends with its transaction
	}
}

func sortedKeys(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// stamp is a time as it is stored.
func stamp(t time.Time) int64 { return t.UnixNano() }
