package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/ncruces/go-sqlite3"

	"linkspan/lsn"
)

// Writer is the turn of a database's one writing connection, in a transaction. It is for one goroutine and ends with
// Commit or Rollback.
type Writer struct {
	*Conn
	base lsn.LSN
	done bool
}

// Writer waits for the turn, first come first served, and begins a transaction. ctx ends the waiting and afterwards
// interrupts the statements. A replica returns ErrReplica.
func (db *DB) Writer(ctx context.Context) (*Writer, error) {
	w, err := db.writer(ctx)
	if err != nil {
		return nil, db.wrap("write", err)
	}
	return w, nil
}

func (db *DB) writer(ctx context.Context) (*Writer, error) {
	if db.replica.Load() {
		return nil, ErrReplica
	}
	if err := db.throttle(ctx); err != nil {
		return nil, err
	}
	if err := db.takeTurn(ctx); err != nil {
		return nil, err
	}
	if db.replica.Load() { // demoted while we waited
		db.giveTurn()
		return nil, ErrReplica
	}
	c, err := db.conns.writing()
	if err == nil {
		err = c.run(c.own.beginWrite)
	}
	if err != nil {
		db.giveTurn()
		return nil, err
	}
	c.SetInterrupt(borrowContext{ctx, &db.marks.closing})
	c.released, c.begun = false, true
	return &Writer{Conn: c, base: c.file.Base()}, nil
}

// writing returns the writing connection. It needs the turn.
func (p *connections) writing() (*Conn, error) {
	p.mu.Lock()
	c := p.writer
	p.mu.Unlock()
	if c != nil {
		return c, nil
	}
	c, err := p.connect(true, nil)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writer = c
	return c, nil
}

// Base is the LSN of the version the transaction builds on. It may not be hardened yet: wait for it before showing rows
// read in this transaction to anybody, unless the transaction's own commit is waited for.
func (w *Writer) Base() lsn.LSN { return w.base }

// Alive reports whether the transaction is still open: SQLite rolls it back by itself after some errors (a full disk,
// an interrupt). Commit of one that is not alive fails.
func (w *Writer) Alive() bool { return !w.done && !w.GetAutocommit() }

// Commit appends the transaction to the log and gives the turn away. Call WaitHardened with the LSN before
// acknowledging. A transaction that changed nothing returns Base. After an error nothing was committed.
func (w *Writer) Commit(ctx context.Context) (lsn.LSN, error) {
	if w.done {
		return lsn.Zero, w.db.wrap("commit in", errors.New("the transaction is over"))
	}
	if err := ctx.Err(); err != nil {
		w.Rollback()
		return lsn.Zero, w.db.wrap("commit in", context.Cause(ctx))
	}
	at, err := w.commit()
	w.Rollback()
	if err != nil {
		return lsn.Zero, w.db.wrap("commit in", err)
	}
	return at, nil
}

// commit is Commit without giving the turn away.
func (w *Writer) commit() (lsn.LSN, error) {
	w.rest()
	if w.GetAutocommit() {
		return lsn.Zero, errors.New("the transaction was rolled back by an earlier error")
	}
	before := w.db.marks.appendedVersion()
	w.file.AllowCommit(true)
	err := w.run(w.own.commit)
	w.file.AllowCommit(false)
	if after := w.db.marks.appendedVersion(); after != before {
		return after.LSN, nil // in the log: whatever SQLite still had to say, it is committed
	}
	return w.base, err
}

// Rollback undoes the transaction and gives the turn away. It does nothing after Commit or Rollback.
func (w *Writer) Rollback() {
	if w.done {
		return
	}
	w.done, w.begun = true, false
	defer w.db.giveTurn() // whatever happens: nobody could write any more
	w.rest()
	var err error
	if !w.GetAutocommit() {
		err = survive(func() error { return w.run(w.own.rollback) })
	}
	w.SetInterrupt(context.Background())
	if err != nil || !w.GetAutocommit() || w.file.Pinned() != nil {
		w.db.conns.dropWriter(w.Conn, err)
	}
}

// Release is Rollback.
func (w *Writer) Release() { w.Rollback() }

// dropWriter closes a writing connection that could not be brought back to rest; the next turn gets a new one.
func (p *connections) dropWriter(c *Conn, why error) {
	p.db.log.Warn("the writing connection is replaced", "database", p.db.o.Name, "error", why)
	p.mu.Lock()
	p.writer = nil
	p.mu.Unlock()
	if err := c.close(); err != nil && !errors.Is(err, sqlite3.BUSY) {
		p.db.log.Warn("connection did not close", "database", p.db.o.Name, "error", fmt.Errorf("close: %w", err))
	}
}
