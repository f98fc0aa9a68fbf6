package storage

import (
	"context"
	"fmt"

	"linkspan/lsn"
	"linkspan/storage/logvfs"
)

// ReaderAt is Reader pinned at the version of an older LSN, that of a commit or control record not after Appended: it is
// made by taking the log after it back in memory, which holds at most DirtyBytes of pages. All its statements see that
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
	p := &db.conns
	p.mu.Lock()
	p.borrowed++
	p.mu.Unlock()
	c, err := p.connect(false, v)
	if err != nil {
		db.vers.unpin(v)
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
	b := logvfs.NewBuilder(now)
	if _, err := db.undone(ctx, now, to, b.Set); err != nil {
		return nil, err
	}
	v := b.Version(&logvfs.Version{LSN: at, End: to.end, Epoch: to.Epoch, Time: to.Time, Pages: to.Pages, Digest: to.Digest})
	return db.vers.pin(func() *logvfs.Version { return v }), nil
}
