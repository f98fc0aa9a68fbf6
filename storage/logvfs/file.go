package logvfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"

	"linkspan/lsn"
	"linkspan/pagelog"
)

const pageSize = pagelog.PageSize

// File is one connection's view of the main database. Like the connection it is for one goroutine at a time.
type File struct {
	v      *VFS
	name   string
	writer bool
	lock   vfs.LockLevel
	// at is the pinned version while a lock is held.
	at *Version
	// dirty are the pages SQLite wrote in this transaction, size the database's size by it; nil when there are none.
	dirty map[uint32]*Page
	size  uint32
	// fault is the last error that SQLite was given as a code only.
	fault error
	// fixed is the version that every statement sees, when one was given.
	fixed *Version
	// retired is why the file is not to be read any more, or nil.
	retired atomic.Pointer[error]
	// committing is set by the connection's owner around COMMIT: SQLite also syncs after it has played a rollback back.
	committing bool
}

// ErrNoCommit is returned when SQLite tries to commit outside AllowCommit: by a statement outside a transaction.
var ErrNoCommit = errors.New("a change outside a transaction")

// AllowCommit says whether the next sync is a commit.
func (f *File) AllowCommit(yes bool) { f.committing = yes }

// Fix has the file show one version, which the caller keeps readable, whatever is published later. Call it BEFORE the
// file is read.
func (f *File) Fix(v *Version) { f.fixed = v }

// pin begins to read a version, and unpin ends it.
func (f *File) pin() *Version {
	if f.fixed != nil {
		return f.fixed
	}
	return f.v.o.Host.Pin(f.writer)
}

func (f *File) unpin(v *Version) {
	if f.fixed == nil {
		f.v.o.Host.Unpin(v)
	}
}

// usable is the error of a file that was retired. Ask AFTER a page was read.
func (f *File) usable() error {
	if err := f.retired.Load(); err != nil {
		return *err
	}
	return nil
}

// fail keeps the error for Fault and gives SQLite its code.
func (f *File) fail(err error, code sqlite3.ExtendedErrorCode) error {
	if err == nil {
		return nil
	}
	f.fault = err
	return vfs.SystemError(err, code)
}

// Fault returns and forgets the last error that SQLite was given as a code only: SQLite itself loses it when it does
// something else before it reports.
func (f *File) Fault() error {
	err := f.fault
	f.fault = nil
	return err
}

// Pinned is the version being read, or nil.
func (f *File) Pinned() *Version { return f.at }

// load returns the page as the pinned version has it; nil stands for zeros.
func (f *File) load(no uint32) (*Page, error) {
	if no > f.at.Pages {
		return nil, nil
	}
	p, ok, err := f.at.Held(no)
	if !ok && err == nil {
		p, err = f.v.o.Host.Load(no, f.at.AsOf())
	}
	if err := f.usable(); err != nil {
		return nil, err
	}
	if f.at.Gone() {
		return nil, f.v.o.VersionGone
	}
	return p, err
}

// ReadAt implements vfs.File.
func (f *File) ReadAt(b []byte, off int64) (int, error) {
	if f.at == nil { // SQLite looks at the file's header before it takes a lock
		f.at = f.pin()
		defer func() { f.unpin(f.at); f.at = nil }()
	}
	size, err := f.Size()
	if err != nil {
		return 0, f.fail(err, sqlite3.IOERR_READ)
	}
	if off >= size {
		return 0, io.EOF
	}
	no := uint32(off/pageSize) + 1
	p := f.dirty[no]
	if p == nil {
		if p, err = f.load(no); err != nil {
			return 0, f.fail(err, sqlite3.IOERR_READ)
		}
	}
	if p == nil {
		clear(b)
		return len(b), nil
	}
	if n := copy(b, p.Data[off%pageSize:]); n < len(b) {
		return n, io.EOF // SQLite reads within a page
	}
	return len(b), nil
}

// WriteAt implements vfs.File: it collects.
func (f *File) WriteAt(b []byte, off int64) (int, error) {
	if f.lock < vfs.LOCK_RESERVED {
		return 0, sqlite3.READONLY
	}
	f.open()
	for n := 0; n < len(b); {
		no, at := uint32((off+int64(n))/pageSize)+1, int((off+int64(n))%pageSize)
		p, err := f.own(no, at != 0 || len(b)-n < pageSize)
		if err != nil {
			return n, f.fail(err, sqlite3.IOERR_WRITE)
		}
		n += copy(p.Data[at:], b[n:])
		f.size = max(f.size, no)
	}
	return len(b), nil
}

// open starts collecting.
func (f *File) open() {
	if f.dirty == nil {
		f.dirty, f.size = map[uint32]*Page{}, f.at.Pages
	}
}

// own returns the page to write to, with its old content when that is needed.
func (f *File) own(no uint32, old bool) (*Page, error) {
	if p := f.dirty[no]; p != nil {
		return p, nil
	}
	if int64(len(f.dirty)+1)*pageSize > f.v.o.TransactionBytes {
		return nil, f.v.o.TransactionTooBig
	}
	p := new(Page)
	if old {
		q, err := f.load(no)
		if err != nil {
			return nil, err
		}
		if q != nil {
			p.Data = q.Data
		}
	}
	f.dirty[no] = p
	return p, nil
}

// Truncate implements vfs.File.
func (f *File) Truncate(size int64) error {
	if f.lock < vfs.LOCK_RESERVED {
		return sqlite3.READONLY
	}
	n := uint32(size / pageSize)
	if f.dirty == nil && n == f.at.Pages {
		return nil // the commit did it already
	}
	f.open()
	f.size = n
	maps.DeleteFunc(f.dirty, func(no uint32, _ *Page) bool { return no > f.size })
	return nil
}

// Size implements vfs.File.
func (f *File) Size() (int64, error) {
	switch {
	case f.dirty != nil:
		return int64(f.size) * pageSize, nil
	case f.at != nil:
		return int64(f.at.Pages) * pageSize, nil
	}
	v := f.pin()
	defer f.unpin(v)
	return int64(v.Pages) * pageSize, nil
}

// SyncSuper is SQLite's FCNTL_SYNC: the last moment of a commit at which it can still fail. It comes after a rollback
// that was played back from the journal too.
func (f *File) SyncSuper(string) error {
	if f.dirty == nil {
		return nil
	}
	f.shrink()
	changes, err := f.changes()
	if err != nil {
		return f.fail(err, sqlite3.IOERR_WRITE)
	}
	if len(changes) == 0 && f.size == f.at.Pages {
		f.dirty = nil
		return nil
	}
	if !f.committing {
		return f.fail(ErrNoCommit, sqlite3.IOERR_WRITE)
	}
	if err := f.v.o.Host.Commit(&Commit{Base: f.at, Changes: changes, Pages: f.size}); err != nil {
		return f.fail(err, sqlite3.IOERR_WRITE)
	}
	f.dirty = nil
	f.repin()
	return nil
}

// shrink drops the pages that the database gives up with this commit: SQLite truncates its file only after the sync, but
// the new size is in the header already ([SQLite file format] 1.3.7, trusted when the change counter says so).
func (f *File) shrink() {
	p := f.dirty[1]
	if p == nil || !bytes.Equal(p.Data[24:28], p.Data[92:96]) {
		return
	}
	if n := binary.BigEndian.Uint32(p.Data[28:]); n > 0 && n < f.size {
		f.size = n
		maps.DeleteFunc(f.dirty, func(no uint32, _ *Page) bool { return no > n })
	}
}

// repin moves to the version just committed: SQLite goes on reading under the same lock.
func (f *File) repin() {
	old := f.at
	f.at = f.pin()
	f.unpin(old)
}

// changes lists the pages that differ from the pinned version, in order.
func (f *File) changes() ([]Change, error) {
	nos := slices.Collect(maps.Keys(f.dirty))
	for no := f.size + 1; no <= f.at.Pages; no++ {
		nos = append(nos, no) // dropped
	}
	for no := f.at.Pages + 1; no <= f.size; no++ {
		if f.dirty[no] == nil {
			nos = append(nos, no) // skipped over: every page of the database has a record
		}
	}
	slices.Sort(nos)
	out := make([]Change, 0, len(nos))
	for _, no := range nos {
		old, err := f.load(no)
		if err != nil {
			return nil, err
		}
		c := Change{No: no, Old: old, New: f.dirty[no]}
		if old != nil {
			c.OldHash = old.Hash
		}
		if c.New != nil {
			c.New.Hash = pagelog.Hash(no, &c.New.Data)
			c.NewHash = c.New.Hash
		}
		if no <= f.at.Pages && c.OldHash == c.NewHash && same(c.Old, c.New) {
			continue
		}
		if c.New == nil {
			c.New = new(Page)
		}
		out = append(out, c)
	}
	return out, nil
}

func same(a, b *Page) bool {
	var zero pagelog.Page
	switch {
	case a == nil && b == nil:
		return true
	case a == nil:
		return b.Data == zero
	case b == nil:
		return a.Data == zero
	}
	return a.Data == b.Data
}

// Lock implements vfs.File.
func (f *File) Lock(l vfs.LockLevel) error {
	if f.lock >= l {
		return nil
	}
	if l >= vfs.LOCK_RESERVED && !f.writer {
		return sqlite3.READONLY
	}
	if err := f.usable(); err != nil {
		return f.fail(err, sqlite3.IOERR_LOCK)
	}
	if f.at == nil {
		f.at = f.pin()
	}
	f.lock = l
	return nil
}

// Unlock implements vfs.File. What was written and not committed is forgotten.
func (f *File) Unlock(l vfs.LockLevel) error {
	if f.lock <= l {
		return nil
	}
	f.dirty = nil
	if l == vfs.LOCK_NONE && f.at != nil {
		f.unpin(f.at)
		f.at = nil
	}
	f.lock = l
	return nil
}

// Close implements vfs.File.
func (f *File) Close() error {
	err := f.Unlock(vfs.LOCK_NONE)
	f.v.mu.Lock()
	defer f.v.mu.Unlock()
	delete(f.v.files, f.name)
	return err
}

// Base is the LSN of the pinned version, or zero.
func (f *File) Base() lsn.LSN {
	if f.at == nil {
		return lsn.Zero
	}
	return f.at.LSN
}

// The rest of vfs.File.

func (f *File) Sync(vfs.SyncFlag) error          { return nil }
func (f *File) LockState() vfs.LockLevel         { return f.lock }
func (f *File) CheckReservedLock() (bool, error) { return false, nil }
func (f *File) SectorSize() int                  { return pageSize }

// DeviceCharacteristics implements vfs.File. IOCAP_BATCH_ATOMIC would keep SQLite from bumping the change counter, and
// other connections would read stale pages.
func (f *File) DeviceCharacteristics() vfs.DeviceCharacteristic {
	return vfs.IOCAP_SEQUENTIAL | vfs.IOCAP_SAFE_APPEND | vfs.IOCAP_POWERSAFE_OVERWRITE | vfs.IOCAP_SUBPAGE_READ
}
