package systest_test

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"linkspan/internal/history"
)

// registers is how many are used at a time, and each round has its own: a register's history is short, so that it can be
// checked.
const registers = 24

// TestHistory has clients read, write and compare-and-set registers on whichever side takes writers, and readers of both
// sides look on, through kills, pauses, cuts and planned failovers: the registers are linearizable, and for nobody who
// reads do they go back.
func TestHistory(t *testing.T) {
	t.Parallel()
	p := startPair(t, pairOptions{})
	rnd := rand.New(rand.NewPCG(chaosSeed(t), 3))
	p.fill(1 << 20)
	p.source.exec(pairDatabase, "CREATE TABLE dbo.registers (k int PRIMARY KEY, v bigint NOT NULL, n bigint NOT NULL)",
		"CREATE TABLE dbo.turns (k int PRIMARY KEY, n bigint NOT NULL)")
	rounds := 4 * soak()
	db := p.source.open(pairDatabase)
	for k := range registers * rounds {
		if _, err := db.ExecContext(t.Context(), "INSERT INTO dbo.registers VALUES (@p1, 0, 0); INSERT INTO dbo.turns VALUES (@p1, 0)", k); err != nil {
			t.Fatal(err)
		}
	}
	writers := p.startLoad(0)
	p.createLink()
	p.settle(writers, 10)
	c := p.startClients(6, rnd.Uint64())
	for round := range rounds {
		c.first.Store(int64(round * registers))
		p.mustFailover()
		p.settle(writers, 10)
		for _, e := range schedule(rnd, 3) {
			p.strike(e)
			p.settle(writers, 5)
		}
		e := schedule(rnd, 1)[0]
		e.after = time.Duration(rnd.IntN(30_000)) * time.Microsecond
		p.failoverUnder(e)
		p.settle(writers, 10)
	}
	c.stop()
	writers.stop()
	p.waitHealthy()
	p.waitSameDigest()
	c.check(t)
}

// clients are those who use the registers.
type clients struct {
	p        *pair
	dbs      [2]*sql.DB
	began    time.Time
	stopping atomic.Bool
	first    atomic.Int64 // the first register in use
	wg       sync.WaitGroup

	mu   sync.Mutex // protects what follows
	ops  []history.Op
	seen []history.Seen
}

func (p *pair) startClients(n int, seed uint64) *clients {
	p.t.Helper()
	c := &clients{p: p, began: time.Now(), dbs: [2]*sql.DB{p.source.open(pairDatabase), p.target.open(pairDatabase)}}
	ctx := p.t.Context()
	for i := range n {
		rnd := rand.New(rand.NewPCG(seed, uint64(i)))
		c.wg.Go(func() { c.run(ctx, i, rnd) })
	}
	for i := range c.dbs {
		c.wg.Go(func() { c.look(ctx, i) })
	}
	p.t.Cleanup(c.stop)
	return c
}

// stop ends the clients and waits for them. Idempotent.
func (c *clients) stop() {
	c.stopping.Store(true)
	c.wg.Wait()
}

func (c *clients) over(ctx context.Context) bool { return c.stopping.Load() || ctx.Err() != nil }

func (c *clients) now() int64 { return int64(time.Since(c.began)) }

// run makes one operation after the other on the side that takes them.
func (c *clients) run(ctx context.Context, id int, rnd *rand.Rand) {
	side, next := 0, int64(id)<<32
	known := map[int]int64{} // what the client saw last
	for !c.over(ctx) {
		next++
		o := history.Op{Client: id, Key: int(c.first.Load()) + rnd.IntN(registers), Kind: history.Kind(rnd.IntN(3)), Value: next}
		o.Old = known[o.Key]
		happened := c.try(ctx, c.dbs[side], &o)
		if !happened {
			side = 1 - side
			c.rest(ctx)
			continue
		}
		c.mu.Lock()
		c.ops = append(c.ops, o)
		c.mu.Unlock()
		switch {
		case o.Lost:
		case o.Kind == history.Read:
			known[o.Key] = o.Got
		case o.Kind == history.Write || o.Applied:
			known[o.Key] = o.Value
		}
		c.rest(ctx)
	}
}

// rest keeps the histories short enough to be checked.
func (c *clients) rest(ctx context.Context) {
	select {
	case <-time.After(5 * time.Millisecond):
	case <-ctx.Done():
	}
}

// refusals are the errors with which a server says that nothing was done: the database is a copy, or not open now.
var refusals = map[int]bool{3906: true, 911: true, 4060: true, 927: true, 976: true, 983: true, 47514: true,
	58011: true, 58012: true, 58013: true}

// try makes the operation, and reports whether it may have happened.
func (c *clients) try(ctx context.Context, db *sql.DB, o *history.Op) bool {
	conn, err := db.Conn(ctx)
	if err != nil {
		return false // nothing was sent
	}
	defer func() { _ = conn.Close() }()
	o.Call = c.now()
	switch o.Kind {
	case history.Read:
		err = readRegister(ctx, conn, o)
	case history.Write:
		_, err = conn.ExecContext(ctx, "UPDATE dbo.registers SET v = @p1, n = n + 1 WHERE k = @p2", o.Value, o.Key)
	case history.CompareAndSet:
		var r sql.Result
		if r, err = conn.ExecContext(ctx, "UPDATE dbo.registers SET v = @p1, n = n + 1 WHERE k = @p2 AND v = @p3", o.Value, o.Key, o.Old); err == nil {
			var n int64
			n, err = r.RowsAffected()
			o.Applied = n == 1
		}
	}
	o.Return = c.now()
	if err != nil && refusals[errorNumber(err)] {
		return false
	}
	o.Lost = err != nil
	return true
}

// readRegister reads in a transaction that also writes, so that only the side that takes writers can answer.
func readRegister(ctx context.Context, conn *sql.Conn, o *history.Op) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, "UPDATE dbo.turns SET n = n + 1 WHERE k = @p1", o.Key); err != nil {
		return err
	}
	if err := tx.QueryRowContext(ctx, "SELECT v FROM dbo.registers WHERE k = @p1", o.Key).Scan(&o.Got); err != nil {
		return err
	}
	return tx.Commit()
}

// look reads all registers of one side over and over, whatever its role.
func (c *clients) look(ctx context.Context, side int) {
	for !c.over(ctx) {
		rows, err := c.dbs[side].QueryContext(ctx, "SELECT k, v, n FROM dbo.registers WHERE k >= @p1 AND k < @p1 + @p2", c.first.Load(), registers)
		var seen []history.Seen
		for err == nil && rows.Next() {
			s := history.Seen{Reader: side}
			err = rows.Scan(&s.Key, &s.Value, &s.Count)
			seen = append(seen, s)
		}
		if err == nil {
			err = rows.Err()
		}
		if rows != nil {
			_ = rows.Close()
		}
		if at := c.now(); err == nil {
			for i := range seen {
				seen[i].At = at
			}
			c.mu.Lock()
			c.seen = append(c.seen, seen...)
			c.mu.Unlock()
		}
		c.rest(ctx)
	}
}

// check holds what was seen against what registers do.
func (c *clients) check(t *testing.T) {
	t.Helper()
	lost, kinds := 0, map[history.Kind]int{}
	for _, o := range c.ops {
		kinds[o.Kind]++
		if o.Lost {
			lost++
		}
	}
	t.Logf("%d reads, %d writes, %d compare-and-sets, %d of them lost; %d looks at a register", kinds[history.Read], kinds[history.Write], kinds[history.CompareAndSet], lost, len(c.seen))
	if len(c.ops) < 500 || len(c.seen) < 500 {
		t.Errorf("only %d operations and %d looks", len(c.ops), len(c.seen))
	}
	for i, err := range history.CheckReads(c.ops, c.seen) {
		if i < 10 {
			t.Error(err)
		}
	}
	byKey := map[int][]history.Op{}
	for _, o := range c.ops {
		byKey[o.Key] = append(byKey[o.Key], o)
	}
	undecided := 0
	for key, ops := range byKey {
		v := history.Check(ops, 10*time.Second)
		if v.Unknown { // many lost operations in one register
			undecided++
		} else if !v.Linearizable {
			page := filepath.Join(os.TempDir(), "linkspan-history.html")
			t.Errorf("register %d is not linearizable; %s shows its history (%v)", key, page, v.Draw(page))
		}
	}
	if undecided > len(byKey)/10 {
		t.Errorf("of %d registers %d could not be decided in time", len(byKey), undecided)
	}
}
