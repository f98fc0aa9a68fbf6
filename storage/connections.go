package storage

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"crypto/rand"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"

	"linkspan/sqlerr"
	"linkspan/storage/logvfs"
)

// connections are the SQLite connections of one database: one that writes, and a pool that reads.
type connections struct {
	db *DB
	// name is that of the VFS in SQLite's registry.
	name string
	vfs  *logvfs.VFS
	next atomic.Int64

	// hold is held for writing while the database is rewound: a connection made then would be of neither state.
	hold sync.RWMutex

	mu   sync.Mutex // protects the rest
	idle []*Conn
	// writer is nil until the first turn and after an error; only the turn's owner uses it.
	writer     *Conn
	borrowed   int
	generation int64
	// returned is closed when a connection comes back, if somebody waits.
	returned chan struct{}
	closed   bool
}

// open registers the file system and makes the writing connection of a primary, so that what Prepare refuses shows now.
func (p *connections) open(db *DB) error {
	p.db = db
	if err := db.o.FS.MkdirAll(db.tempDir()); err != nil {
		return err
	}
	p.vfs = logvfs.New(logvfs.Options{Host: host{db}, FS: db.o.FS, TempDir: db.tempDir(), TempBytes: db.o.TempBytes,
		TransactionBytes: db.o.TransactionBytes, TransactionTooBig: sqlerr.New(9002, db.o.Name, "ACTIVE_TRANSACTION"),
		TempTooBig:  sqlerr.New(1105, "<temporary system object>", "tempdb", "PRIMARY"),
		VersionGone: sqlerr.New(3966)})
	p.name = "linkspan-" + rand.Text()
	vfs.Register(p.name, p.vfs)
	if db.replica.Load() {
		return nil
	}
	c, err := p.connect(true, nil)
	if err != nil {
		vfs.Unregister(p.name)
		return err
	}
	p.writer = c
	return nil
}

// settings are a connection's pragmas: the page size counts for an empty database; our commit is the sync, whatever
// synchronous says.
const settings = "PRAGMA page_size = 8192; PRAGMA synchronous = OFF; PRAGMA temp_store = FILE; PRAGMA cache_size = -%d"

// maxValue bounds one string or blob, and one row, in bytes. A connection of SQLite has 256 MB, and a statement holds a few
// copies of a value; below that the statement fails
// (TOOBIG) and nothing else.
const maxValue = 32 << 20

// connect opens a connection: to the version when one is given, otherwise to what is newest.
func (p *connections) connect(writer bool, at *logvfs.Version) (*Conn, error) {
	path, flags, set := fmt.Sprintf("/reader-%d", p.next.Add(1)), sqlite3.OPEN_READONLY, p.db.mem.o.ReaderCache
	if writer {
		path, flags, set = fmt.Sprintf("%s-%d", logvfs.WriterName, p.next.Add(1)), sqlite3.OPEN_READWRITE|sqlite3.OPEN_CREATE, p.db.mem.o.WriterCache
	}
	s, err := sqlite3.OpenFlags("file:"+path+"?vfs="+p.name, flags|sqlite3.OPEN_URI)
	if err != nil {
		return nil, fmt.Errorf("open connection: %w", err)
	}
	p.mu.Lock()
	c := &Conn{Conn: s, db: p.db, guard: &logvfs.Guard{Writer: writer}, stmts: map[string]*cachedStmt{}, generation: p.generation, at: at}
	p.mu.Unlock()
	if err := p.prepare(c, path, fmt.Sprintf(settings, set/1024), writer); err != nil {
		return nil, errors.Join(fmt.Errorf("open connection: %w", err), c.close())
	}
	return c, nil
}

func (p *connections) prepare(c *Conn, path, set string, writer bool) error {
	var err error
	if c.file, err = p.vfs.File(path); err != nil {
		return err
	}
	if c.at != nil {
		c.file.Fix(c.at)
	}
	if err := c.Exec(set); err != nil {
		return err
	}
	c.Limit(sqlite3.LIMIT_LENGTH, maxValue)
	if p.db.o.Prepare != nil {
		if err := p.db.o.Prepare(c.Conn); err != nil {
			return err
		}
	}
	if err := c.SetAuthorizer(c.guard.Authorize); err != nil {
		return err
	}
	c.guard.Trusted = true
	defer func() { c.guard.Trusted = false }()
	for sql, s := range map[string]**sqlite3.Stmt{"BEGIN": &c.own.begin, "BEGIN IMMEDIATE": &c.own.beginWrite,
		"PRAGMA user_version": &c.own.touch, "COMMIT": &c.own.commit, "ROLLBACK": &c.own.rollback} {
		if !writer && sql == "BEGIN IMMEDIATE" {
			continue
		}
		if *s, err = c.prepareOwn(sql); err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) prepareOwn(sql string) (*sqlite3.Stmt, error) {
	s, _, err := c.PrepareFlags(sql, sqlite3.PREPARE_PERSISTENT)
	return s, err
}

// Reader borrows a read connection. Outside Begin and End each statement sees the newest published version at its
// start. ctx interrupts its statements until Release.
func (db *DB) Reader(ctx context.Context) (*Conn, error) {
	c, err := db.conns.take(ctx)
	if err != nil {
		return nil, db.wrap("read", err)
	}
	return c, nil
}

func (p *connections) take(ctx context.Context) (*Conn, error) {
	p.hold.RLock()
	defer p.hold.RUnlock()
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if err := p.db.Err(); errors.Is(err, ErrClosed) || p.db.marks.closing.Load() {
		return nil, ErrClosed
	}
	p.mu.Lock()
	p.borrowed++
	var c *Conn
	if n := len(p.idle); n > 0 {
		c, p.idle = p.idle[n-1], p.idle[:n-1]
	}
	p.mu.Unlock()
	if c == nil {
		var err error
		if c, err = p.connect(false, nil); err != nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.cameBack()
			return nil, err
		}
	}
	c.released = false
	c.SetInterrupt(borrowContext{ctx, &p.db.marks.closing})
	return c, nil
}

// cameBack counts a returned connection. It needs mu.
func (p *connections) cameBack() {
	p.borrowed--
	if p.returned != nil {
		close(p.returned)
		p.returned = nil
	}
}

// giveBack takes a read connection back, to keep it when it is fit.
func (p *connections) giveBack(c *Conn, fit bool) {
	p.mu.Lock()
	keep := fit && c.at == nil && !p.closed && c.generation == p.generation && len(p.idle) < p.db.o.IdleReaders
	if keep {
		p.idle = append(p.idle, c)
		p.cameBack()
	}
	p.mu.Unlock()
	if keep {
		return
	}
	if err := c.close(); err != nil {
		p.db.log.Warn("connection did not close", "database", p.db.o.Name, "error", err)
	}
	if c.at != nil {
		p.db.letGo(c.at)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cameBack()
}

// renew has no connection that is open now used again: their pages may not be followed by what comes. It needs the turn.
func (p *connections) renew() error {
	p.mu.Lock()
	p.generation++
	idle, w := p.idle, p.writer
	p.idle, p.writer = nil, nil
	p.mu.Unlock()
	var errs []error
	for _, c := range idle {
		errs = append(errs, c.close())
	}
	if w != nil {
		errs = append(errs, w.close())
	}
	return errors.Join(errs...)
}

// dropIdleWriter closes the writing connection, which nobody needs in a replica. It needs the turn.
func (p *connections) dropIdleWriter() error {
	p.mu.Lock()
	w := p.writer
	p.writer = nil
	p.mu.Unlock()
	if w == nil {
		return nil
	}
	return w.close()
}

// drain waits for the borrowed connections, or for the end of patience.
func (p *connections) drain(impatient <-chan time.Time) {
	for {
		p.mu.Lock()
		n := p.borrowed
		if n > 0 && p.returned == nil {
			p.returned = make(chan struct{})
		}
		c := p.returned
		p.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-c:
		case <-impatient:
			p.db.log.Warn("connections were not released before the database closed", "database", p.db.o.Name, "connections", n)
			return
		}
	}
}

// close closes the idle connections and the writer's.
func (p *connections) close() error {
	if p.vfs == nil {
		return nil
	}
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.renew()
	vfs.Unregister(p.name)
	return err
}
