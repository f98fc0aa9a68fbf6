package logvfs

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"

	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/pagelog"
)

// Host is the database below the file system. Its methods may be called concurrently.
type Host interface {
	// Pin returns the version that a connection starting to read now sees (the newest published, or for the writer the
	// newest appended) and keeps it readable until Unpin.
	Pin(writer bool) *Version
	// Unpin lets go of what Pin returned.
	Unpin(*Version)
	// Load returns the page, which no version after at changed in memory, as it was at the LSN.
	Load(no uint32, at lsn.LSN) (*Page, error)
	// Commit appends the changes to the log. They are in order of pages and become the host's; every New is set.
	Commit(c *Commit) error
}

// Commit is one transaction's outcome.
type Commit struct {
	Base    *Version
	Changes []Change
	// Pages is the database's size afterwards.
	Pages uint32
}

// Change is one page before and after. A nil Old is a page of zeros.
type Change struct {
	No       uint32
	Old, New *Page
	// OldHash and NewHash are the pages' hashes.
	OldHash, NewHash pagelog.Digest
}

// Options configure a VFS.
type Options struct {
	Host Host
	// FS and TempDir are where temporary files go; they are removed when closed.
	FS      fsx.FS
	TempDir string
	// TempBytes bounds all temporary files together, TransactionBytes the pages one transaction may change.
	TempBytes, TransactionBytes int64
	// TransactionTooBig is the error of a transaction that changes more.
	TransactionTooBig error
	// TempTooBig is the error of a temporary file beyond TempBytes.
	TempTooBig error
	// VersionGone is the error of who reads a version that was given up (Version.Expire).
	VersionGone error
}

// VFS is the file system of one database. Register it under a name of its own.
type VFS struct {
	o        Options
	tempUsed atomic.Int64
	tempNext atomic.Int64
	// tempFault is the last error of a temporary file: SQLite does not say whose it is.
	tempFault atomic.Pointer[error]

	mu    sync.Mutex // protects files
	files map[string]*File
}

// New returns a VFS.
func New(o Options) *VFS { return &VFS{o: o, files: map[string]*File{}} }

// WriterName starts the name by which the writing connection opens the database; all other names read.
const WriterName = "/writer"

// TempFault returns and forgets the last error of a temporary file, whichever connection met it.
func (v *VFS) TempFault() error {
	if err := v.tempFault.Swap(nil); err != nil {
		return *err
	}
	return nil
}

func (v *VFS) tempFailed(err error, code sqlite3.ExtendedErrorCode) error {
	if err == nil {
		return nil
	}
	v.tempFault.Store(&err)
	return vfs.SystemError(err, code)
}

// File returns the open main database file of the name, for the connection's owner to steer.
func (v *VFS) File(name string) (*File, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if f := v.files[name]; f != nil {
		return f, nil
	}
	return nil, fmt.Errorf("no database file is open by the name %s", name)
}

// Retire has every file that is open now fail with err from here on: what its connection has cached, and the versions
// it reads, are not to be followed by what comes.
func (v *VFS) Retire(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, f := range v.files {
		f.retired.Store(&err)
	}
}

// Open implements vfs.VFS.
func (v *VFS) Open(name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	if flags&vfs.OPEN_MAIN_DB == 0 {
		return &tempFile{v: v}, flags, nil
	}
	f := &File{v: v, name: name, writer: len(name) >= len(WriterName) && name[:len(WriterName)] == WriterName}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.files[name] != nil {
		return nil, flags, sqlite3.CANTOPEN
	}
	v.files[name] = f
	// OPEN_MEMORY makes SQLite keep its rollback journal in memory: there is no journal file to find after a crash.
	return f, flags | vfs.OPEN_MEMORY, nil
}

// Delete implements vfs.VFS; SQLite deletes journals, which do not exist.
func (v *VFS) Delete(string, bool) error { return nil }

// Access implements vfs.VFS; SQLite asks for journals, which do not exist.
func (v *VFS) Access(string, vfs.AccessFlag) (bool, error) { return false, nil }

// FullPathname implements vfs.VFS.
func (v *VFS) FullPathname(name string) (string, error) { return name, nil }

// tempFile holds what SQLite spills: in memory while it is small, then on disk.
type tempFile struct {
	v    *VFS
	mem  []byte
	disk fsx.File
	size int64
}

// tempInMemory is the size up to which a temporary file needs no disk.
const tempInMemory = 256 << 10

// ReadAt implements vfs.File.
func (t *tempFile) ReadAt(b []byte, off int64) (int, error) {
	if off >= t.size {
		return 0, io.EOF
	}
	if t.disk != nil {
		n, err := t.disk.ReadAt(b, off)
		if err != nil && !errors.Is(err, io.EOF) {
			return n, t.v.tempFailed(err, sqlite3.IOERR_READ)
		}
		if n < len(b) {
			return n, io.EOF
		}
		return n, nil
	}
	n := copy(b, t.mem[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements vfs.File.
func (t *tempFile) WriteAt(b []byte, off int64) (int, error) {
	end := off + int64(len(b))
	if grow := end - t.size; grow > 0 {
		if t.v.tempUsed.Add(grow) > t.v.o.TempBytes {
			t.v.tempUsed.Add(-grow)
			return 0, t.v.tempFailed(t.v.o.TempTooBig, sqlite3.IOERR_WRITE)
		}
		t.size = end
	}
	if t.disk == nil && end > tempInMemory {
		if err := t.spill(); err != nil {
			return 0, t.v.tempFailed(fmt.Errorf("make temporary file: %w", err), sqlite3.IOERR_WRITE)
		}
	}
	if t.disk != nil {
		n, err := t.disk.WriteAt(b, off)
		return n, t.v.tempFailed(err, sqlite3.IOERR_WRITE)
	}
	if end > int64(len(t.mem)) {
		t.mem = append(t.mem, make([]byte, end-int64(len(t.mem)))...)
	}
	return copy(t.mem[off:], b), nil
}

func (t *tempFile) spill() error {
	f, err := t.v.o.FS.Create(fmt.Sprintf("%s%ctemp-%d", t.v.o.TempDir, '/', t.v.tempNext.Add(1)))
	if err != nil {
		return err
	}
	t.disk = f
	_, err = f.WriteAt(t.mem, 0)
	t.mem = nil
	return err
}

// Truncate implements vfs.File.
func (t *tempFile) Truncate(size int64) error {
	if size >= t.size {
		return nil
	}
	t.v.tempUsed.Add(size - t.size)
	t.size = size
	if t.disk != nil {
		return vfs.SystemError(t.disk.Truncate(size), sqlite3.IOERR_TRUNCATE)
	}
	t.mem = t.mem[:min(size, int64(len(t.mem)))]
	return nil
}

// Close implements vfs.File and removes the file.
func (t *tempFile) Close() error {
	t.v.tempUsed.Add(-t.size)
	t.size, t.mem = 0, nil
	if t.disk == nil {
		return nil
	}
	f := t.disk
	t.disk = nil
	err := f.Close()
	return vfs.SystemError(errors.Join(err, t.v.o.FS.Remove(f.Name())), sqlite3.IOERR_CLOSE)
}

// The rest of vfs.File: a temporary file has one user and need not survive.

func (t *tempFile) Sync(vfs.SyncFlag) error          { return nil }
func (t *tempFile) Size() (int64, error)             { return t.size, nil }
func (t *tempFile) Lock(vfs.LockLevel) error         { return nil }
func (t *tempFile) Unlock(vfs.LockLevel) error       { return nil }
func (t *tempFile) CheckReservedLock() (bool, error) { return false, nil }
func (t *tempFile) SectorSize() int                  { return pageSize }
func (t *tempFile) DeviceCharacteristics() vfs.DeviceCharacteristic {
	return vfs.IOCAP_POWERSAFE_OVERWRITE | vfs.IOCAP_UNDELETABLE_WHEN_OPEN
}
