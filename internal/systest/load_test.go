package systest_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"linkspan/internal/harness"
)

// load is the writers: each inserts rows of its own, and notes which were acknowledged, where and when.
type load struct {
	p        *pair
	dbs      [2]atomic.Pointer[sql.DB] // of the source, of the target
	stopping atomic.Bool               // ends the writers between two inserts, so that none is left in doubt
	wg       sync.WaitGroup

	mu    sync.Mutex // protects what follows
	acks  []ack
	acked map[int64]bool
}

// ack is an acknowledged insert.
type ack struct {
	// side is 0 for the source, 1 for the target.
	side       int
	start, end time.Time
}

// startLoad starts n writers that go where they are let in, and one on each side that knows no other: should both sides
// ever take writers, it shows.
func (p *pair) startLoad(n int) *load {
	p.t.Helper()
	l := &load{p: p, acked: map[int64]bool{}}
	l.connect()
	ctx := p.t.Context()
	for w := range n {
		l.wg.Go(func() { l.write(ctx, w, []int{0, 1}) })
	}
	l.wg.Go(func() { l.write(ctx, n, []int{0}) })
	l.wg.Go(func() { l.write(ctx, n+1, []int{1}) })
	p.t.Cleanup(l.stop)
	return l
}

// connect has the writers connect as the sides' logins say now: after a clock was moved, by which certificates are judged.
func (l *load) connect() {
	for i, s := range []*side{l.p.source, l.p.target} {
		l.dbs[i].Store(s.open(pairDatabase))
	}
}

// write inserts rows on the sides by turns: it stays where it is let in.
func (l *load) write(ctx context.Context, w int, sides []int) {
	at, refused := 0, 0
	for id := int64(w) << 40; !l.stopping.Load() && ctx.Err() == nil; id++ {
		// A row whose acknowledgement was lost may be there or not; the next one has another number.
		a := ack{side: sides[at], start: time.Now()}
		_, err := l.dbs[a.side].Load().ExecContext(ctx, "INSERT INTO dbo.rows (id, writer) VALUES (@p1, @p2)", id, w)
		if err == nil {
			a.end, refused = time.Now(), 0
			l.mu.Lock()
			l.acked[id] = true
			l.acks = append(l.acks, a)
			l.mu.Unlock()
			continue
		}
		at = (at + 1) % len(sides)
		if refused++; refused >= len(sides) { // nobody takes it now
			select {
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// stop ends the writers and waits for them. Idempotent.
func (l *load) stop() {
	l.stopping.Store(true)
	l.wg.Wait()
}

// moves counts how often the side that takes writers has changed: an insert that began after the other side had
// acknowledged one was not let in by the same primary. It is for after stop.
func (l *load) moves() int {
	moves, side := 0, -1
	var since time.Time // when side last acknowledged
	for _, a := range l.acks {
		switch {
		case side < 0 || a.side == side:
			side, since = a.side, a.end
		case a.start.After(since):
			side, since = a.side, a.end
			moves++
		}
	}
	return moves
}

// progress waits for so many more acknowledged rows.
func (l *load) progress(rows int) {
	l.p.t.Helper()
	want := l.count() + rows
	for deadline := time.Now().Add(60 * time.Second); l.count() < want; waitTick(l.p.t) {
		if time.Now().After(deadline) {
			l.p.t.Fatalf("%d rows acknowledged, want %d: nobody takes writers any more\n%s", l.count(), want, l.p.states())
		}
	}
}

// settle waits for so many more acknowledged rows, and until both sides have rows as new as the wait's beginning.
func (p *pair) settle(l *load, rows int) {
	p.t.Helper()
	had := l.count()
	l.progress(rows)
	for _, s := range []*side{p.source, p.target} {
		s.waitRows(had)
	}
}

// waitRows waits until the side shows so many rows.
func (s *side) waitRows(want int) {
	s.p.t.Helper()
	db := s.open(pairDatabase)
	defer func() { _ = db.Close() }()
	var n int
	var err error
	for deadline := time.Now().Add(60 * time.Second); ; waitTick(s.p.t) {
		if err = db.QueryRowContext(s.p.t.Context(), "SELECT COUNT(*) FROM dbo.rows").Scan(&n); err == nil && n >= want {
			return
		}
		if time.Now().After(deadline) {
			s.p.t.Fatalf("%s stands at %d rows, %v\n%s", s.name, n, err, s.p.states())
		}
	}
}

// states is what both sides show of the link, for the message of a failure.
func (p *pair) states() string {
	var b strings.Builder
	for _, s := range []*side{p.source, p.target} {
		fmt.Fprintf(&b, "%s:\n", s.name)
		for _, q := range []string{"SELECT * FROM sys.dm_hadr_database_replica_states", "SELECT * FROM sys.dm_hadr_availability_replica_states",
			"SELECT * FROM sys.dm_linkspan_databases WHERE database_name = '" + pairDatabase + "'",
			"SELECT CONVERT(varchar(30), lsn), digest FROM sys.dm_linkspan_database_digest WHERE database_name = '" + pairDatabase + "'",
			"USE " + pairDatabase + "\nGO\nSELECT COUNT(*) FROM dbo.rows\nSELECT writer, COUNT(*), MAX(id) FROM dbo.rows GROUP BY writer"} {
			ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
			results, messages, err := harness.GoClient{}.Run(ctx, s.login, q)
			cancel()
			for _, r := range results {
				for _, row := range r.Rows {
					for i := range row {
						fmt.Fprintf(&b, " %s=%s", r.Columns[i], row[i])
					}
					fmt.Fprintln(&b)
				}
			}
			fmt.Fprintln(&b, messages, err)
		}
	}
	return b.String()
}

// waitState waits for the database's state on the target.
func (p *pair) waitState(want string) {
	p.t.Helper()
	db := p.target.open("master")
	defer func() { _ = db.Close() }()
	var state string
	for deadline := time.Now().Add(60 * time.Second); ; waitTick(p.t) {
		err := db.QueryRowContext(p.t.Context(), "SELECT state_desc FROM sys.databases WHERE name = @p1", pairDatabase).Scan(&state)
		if err == nil && state == want {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("the copy is %s, want %s (%v)\n%s", state, want, err, p.states())
		}
	}
}
