package storage

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/ncruces/go-sqlite3"

	"linkspan/lsn"
	"linkspan/storage/logvfs"
)

// Conn is a borrowed SQLite connection. It is for one goroutine. ATTACH, PRAGMA, BEGIN, COMMIT and the like are refused
// on it; use the methods.
type Conn struct {
	*sqlite3.Conn
	db    *DB
	file  *logvfs.File
	guard *logvfs.Guard
	// generation is that of the connections when it was opened: an older one is not used again.
	generation int64
	// at is the version it is pinned at for its life, or nil.
	at    *logvfs.Version
	stmts map[string]*cachedStmt
	// used are the cached statements handed out since the connection was borrowed, extra those that were busy.
	used     []*cachedStmt
	extra    []*sqlite3.Stmt
	tick     int64
	begun    bool
	released bool
	own      ownStmts
}

// ownStmts are storage's own statements on a connection.
type ownStmts struct{ begin, beginWrite, touch, commit, rollback *sqlite3.Stmt }

type cachedStmt struct {
	*sqlite3.Stmt
	last int64
	held bool
}

// maxStmts bounds the prepared statements a connection caches.
const maxStmts = 256

// Stmt returns the prepared statement of sql, reset and with its bindings cleared. The connection owns and caches it:
// do not close it. While it is in use a second Stmt of the same sql is another statement. Text after the first
// statement is an error.
func (c *Conn) Stmt(sql string) (*sqlite3.Stmt, error) {
	c.tick++
	if s := c.stmts[sql]; s != nil {
		if s.Busy() {
			return c.another(sql)
		}
		s.last = c.tick
		if err := errors.Join(s.Reset(), s.ClearBindings()); err != nil {
			return nil, err
		}
		c.hold(s)
		return s.Stmt, nil
	}
	stmt, err := c.prepare(sql)
	if err != nil {
		return nil, err
	}
	if len(c.stmts) >= maxStmts {
		c.evict()
	}
	s := &cachedStmt{Stmt: stmt, last: c.tick}
	c.stmts[sql] = s
	c.hold(s)
	return stmt, nil
}

func (c *Conn) hold(s *cachedStmt) {
	if !s.held {
		s.held = true
		c.used = append(c.used, s)
	}
}

func (c *Conn) prepare(sql string) (*sqlite3.Stmt, error) {
	stmt, tail, err := c.Prepare(sql)
	if err != nil {
		return nil, err
	}
	if stmt == nil || tail != "" {
		return nil, errors.Join(fmt.Errorf("not exactly one statement: %q", sql), stmt.Close())
	}
	return stmt, nil
}

func (c *Conn) another(sql string) (*sqlite3.Stmt, error) {
	stmt, err := c.prepare(sql)
	if err == nil {
		c.extra = append(c.extra, stmt)
	}
	return stmt, err
}

// evict closes the statement that was asked for least recently, of those nobody holds.
func (c *Conn) evict() {
	var name string
	var old *cachedStmt
	for sql, s := range c.stmts {
		if !s.held && (old == nil || s.last < old.last) {
			name, old = sql, s
		}
	}
	if old != nil {
		_ = old.Close() // its error is that of its last run, which was reported then
		delete(c.stmts, name)
	}
}

// rest ends every statement, so that a transaction can end.
func (c *Conn) rest() {
	for _, s := range c.used {
		_ = survive(s.Reset) // repeats the error of the run
		_ = s.ClearBindings()
		s.held = false
	}
	c.used = c.used[:0]
	for _, s := range c.extra {
		_ = s.Close()
	}
	c.extra = c.extra[:0]
}

// survive gives as an error what go-sqlite3 panics with when SQLite was out of memory: in the run of a statement, and again
// when that statement is reset. What is to be given back after it must not be lost.
func survive(f func() error) (err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case runtime.Error:
			panic(v)
		case error:
			err = v
		default:
			panic(v)
		}
	}()
	return f()
}

// run executes one of storage's own statements, which the guard would refuse and an interrupt must not stop.
func (c *Conn) run(s *sqlite3.Stmt) error {
	old := c.SetInterrupt(context.Background())
	c.guard.Trusted = true
	defer func() { c.guard.Trusted = false; c.SetInterrupt(old) }()
	return c.Cause(s.Exec())
}

// trusted executes SQL past the guard.
func (c *Conn) trusted(sql string) error {
	c.guard.Trusted = true
	defer func() { c.guard.Trusted = false }()
	return c.Exec(sql)
}

// Cause returns err as the database knows it: SQLite reports "disk I/O error" for a damaged page (824), a transaction
// that is too large or a full disk (9002), too much sorting (1105) and the like, which Cause gives back as *sqlerr.Error in err's chain. Call it
// with every error of a statement on this connection, once, before the connection is used again.
func (c *Conn) Cause(err error) error {
	fault := c.file.Fault()
	if err == nil || !errors.Is(err, sqlite3.IOERR) {
		return err
	}
	if fault == nil {
		fault = c.db.conns.vfs.TempFault()
	}
	if fault == nil {
		return err
	}
	return fmt.Errorf("%w (%w)", fault, err)
}

// Begin opens a read transaction: until End, every statement sees the version that was newest published now; its LSN is
// returned.
func (c *Conn) Begin() (lsn.LSN, error) {
	if c.begun {
		return c.file.Base(), errors.New("begin: a transaction is open already")
	}
	if err := c.run(c.own.begin); err != nil {
		return lsn.Zero, c.db.wrap("begin in", err)
	}
	c.begun = true
	if err := c.run(c.own.touch); err != nil {
		return lsn.Zero, c.db.wrap("begin in", errors.Join(err, c.End()))
	}
	return c.file.Base(), nil
}

// End closes the read transaction, if one is open, and resets the statements in use.
func (c *Conn) End() error {
	c.rest()
	if !c.begun {
		return nil
	}
	c.begun = false
	if c.GetAutocommit() {
		return nil
	}
	return c.run(c.own.rollback)
}

// LSN is the version being read by the open transaction or statement, or zero.
func (c *Conn) LSN() lsn.LSN { return c.file.Base() }

// Release gives the connection back and ends its transaction. Idempotent.
func (c *Conn) Release() {
	if c.released {
		return
	}
	c.released = true
	err := survive(c.End)
	c.SetInterrupt(context.Background())
	c.db.conns.giveBack(c, err == nil && c.GetAutocommit())
}

// close closes the connection for good.
func (c *Conn) close() error {
	c.rest()
	for _, s := range c.stmts {
		_ = s.Close()
	}
	for _, s := range []*sqlite3.Stmt{c.own.begin, c.own.beginWrite, c.own.touch, c.own.commit, c.own.rollback} {
		_ = s.Close()
	}
	return c.Conn.Close()
}

// borrowContext ends with the borrower's context, and when the database closes. SQLite asks Err only.
type borrowContext struct {
	context.Context
	closing *atomic.Bool
}

// Err implements context.Context.
func (b borrowContext) Err() error {
	if b.closing.Load() {
		return ErrClosed
	}
	return b.Context.Err()
}
