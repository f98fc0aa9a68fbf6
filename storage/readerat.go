package storage

import (
	"context"
	"errors"
	"fmt"

	"linkspan/lsn"
	"linkspan/storage/logvfs"
)

// ReaderAt is Reader pinned at the version of an older LSN, that of a commit or control record not after Appended: it is
// made by taking the log after it back, in memory up to DirtyBytes of pages and else in a temporary file, for which the disk
// must have room. All its statements see that
// version, whatever is committed or published meanwhile, until Release. ErrLogGone when the log does not reach back,
// ErrGap when no commit ends at the LSN. With at = Appended it sees what is appended and perhaps not published.
func (db *DB) ReaderAt(ctx context.Context, at lsn.LSN) (*Conn, error) {
	c, err := db.readerAt(ctx, at)
	return c, db.wrap(fmt.Sprintf("read the version %s of", at), err)
}

func (db *DB) readerAt(ctx context.Context, at lsn.LSN) (*Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if db.marks.closing.Load() {
		return nil, ErrClosed
	}
	db.conns.hold.RLock()
	defer db.conns.hold.RUnlock()
	v, err := db.versionAt(ctx, at)
	if err != nil {
		return nil, err
	}
	return db.readerOf(ctx, v)
}

// readerOf opens a connection to a version, and lets that go with it. It needs conns.hold.
func (db *DB) readerOf(ctx context.Context, v *logvfs.Version) (*Conn, error) {
	p := &db.conns
	p.mu.Lock()
	p.borrowed++
	p.mu.Unlock()
	c, err := p.connect(false, v)
	if err != nil {
		db.letGo(v)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.cameBack()
		return nil, err
	}
	c.SetInterrupt(borrowContext{ctx, &db.marks.closing})
	return c, nil
}

// versionAt makes the version of the LSN and pins it.
func (db *DB) versionAt(ctx context.Context, at lsn.LSN) (*logvfs.Version, error) {
	who := new(int)
	db.keepLog(who, at)
	defer db.dropLog(who)
	now := db.pin(true)
	if at == now.LSN {
		return now, nil
	}
	defer db.vers.unpin(now)
	if now.LSN.Less(at) {
		return nil, fmt.Errorf("%w: the log ends at %s, before %s", ErrGap, now.LSN, at)
	}
	m := db.meta.state()
	to, err := findCommit(db.o.FS, db.o.Dir, &m, at)
	if err != nil {
		return nil, err
	}
	u, nos, err := db.undoing(ctx, now, to)
	if err != nil {
		return nil, err
	}
	v := &logvfs.Version{LSN: at, End: to.end, Epoch: to.Epoch, Time: to.Time, Pages: to.Pages, Digest: to.Digest}
	if len(nos) > u.atOnce {
		return db.versionAside(ctx, v, u, nos)
	}
	if nos, err = db.stamped(now, at, nos); err != nil {
		return nil, err
	}
	b := logvfs.NewBuilder(now)
	if err := u.undone(now, nos, func(no uint32, p *logvfs.Page) error { b.Set(no, p); return nil }); err != nil {
		return nil, err
	}
	b.Version(v)
	return db.vers.pin(func() *logvfs.Version { return v }), nil
}

// versionAside completes the version with pages on disk, where memory has no room for them.
func (db *DB) versionAside(ctx context.Context, v *logvfs.Version, u *undo, nos []uint32) (*logvfs.Version, error) {
	now := db.pin(true)
	a, err := db.newAside(now, len(nos))
	if err != nil {
		db.vers.unpin(now)
		return nil, err
	}
	if now.LSN != u.upTo {
		err = fmt.Errorf("%w: commits go on after %s", ErrGap, u.upTo)
	} else {
		err = u.undone(now, nos, a.put)
	}
	if err != nil {
		return nil, errors.Join(err, a.close())
	}
	return v.Beside(now, a), nil
}

// letGo ends the use of a version that versionAt or a Comparison made.
func (db *DB) letGo(v *logvfs.Version) {
	a, ok := v.Aside().(*asideFile)
	if !ok {
		db.vers.unpin(v)
		return
	}
	if err := a.close(); err != nil {
		db.log.Warn("a temporary file did not close", "database", db.o.Name, "error", err)
	}
}
