package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"

	"linkspan/internal/fsx"
	"linkspan/internal/sabotage"
	"linkspan/lsn"
	"linkspan/pagelog"
	"linkspan/sqlerr"
	"linkspan/storage/logvfs"
)

// baseFile is the database as of some checkpoint: its pages, and the page table with each page's hash and LSN.
type baseFile struct {
	data, table fsx.File
	// cache is shared with others; this file's pages are under owner.
	cache *pageCache
	owner uint32
	// id is the database's number, for error 824, and met is told of damaged pages that readers meet; it may be nil.
	id  int
	met func(*BadPage)
	// shard keeps a page from being read while it is written.
	shard [64]sync.RWMutex
	// pages is the size at the last checkpoint: every page up to it has an entry.
	pages atomic.Uint32
	// room is how many pages the files have space for. One checkpoint at a time touches it.
	room uint32
	// digest is the XOR of the hashes in the table. One checkpoint at a time touches it.
	digest pagelog.Digest
}

const (
	dataName  = "pages.data"
	tableName = "pages.table"
	entrySize = 32
)

// entry is a row of the page table.
type entry struct {
	hash pagelog.Digest
	at   lsn.LSN
	// mark is that of the seeding which installed the page; zero after a checkpoint.
	mark uint16
}

func (e *entry) encode(no uint32) [entrySize]byte {
	var b [entrySize]byte
	copy(b[:], e.hash[:])
	e.at.AppendTo(b[16:16])
	binary.LittleEndian.PutUint16(b[26:], e.mark)
	binary.LittleEndian.PutUint32(b[28:], entrySum(no, b[:28]))
	return b
}

func entrySum(no uint32, b []byte) uint32 {
	var n [4]byte
	binary.LittleEndian.PutUint32(n[:], no)
	return crc32.Update(crc32.Checksum(n[:], crc32.MakeTable(crc32.Castagnoli)), crc32.MakeTable(crc32.Castagnoli), b)
}

var errNoEntry = errors.New("page has no entry")

func decodeEntry(no uint32, b []byte) (entry, error) {
	if [entrySize]byte(b) == [entrySize]byte{} {
		return entry{}, errNoEntry
	}
	if entrySum(no, b[:28]) != binary.LittleEndian.Uint32(b[28:]) {
		return entry{}, fmt.Errorf("checksum of the page's entry is wrong")
	}
	e := entry{hash: pagelog.Digest(b[:16]), mark: binary.LittleEndian.Uint16(b[26:])}
	e.at, _ = lsn.Decode(b[16:])
	return e, nil
}

// openBase opens, or with create makes, the two files.
func openBase(fsys fsx.FS, dir string, create bool) (*baseFile, error) {
	open := fsys.OpenRW
	if create {
		open = fsys.Create
	}
	data, err := open(filepath.Join(dir, dataName))
	if err != nil {
		return nil, err
	}
	table, err := open(filepath.Join(dir, tableName))
	if err != nil {
		return nil, errors.Join(err, data.Close())
	}
	b := &baseFile{data: data, table: table, cache: &pageCache{}}
	b.cache.init(0)
	return b, nil
}

func (b *baseFile) close() error { return errors.Join(b.data.Close(), b.table.Close()) }

// read returns the page as the base file has it, checked against the table; nil when it was never written.
func (b *baseFile) read(no uint32) (*logvfs.Page, error) {
	if p := b.cache.get(keyOf(b.owner, no)); p != nil {
		return p, nil
	}
	mu := &b.shard[no%uint32(len(b.shard))]
	mu.RLock()
	defer mu.RUnlock()
	p, bad := b.readDisk(no)
	if bad != nil {
		return nil, b.meet(bad)
	}
	if p != nil {
		b.cache.put(keyOf(b.owner, no), p)
	}
	return p, nil
}

// meet tells of a damaged page, and gives the reader's error.
func (b *baseFile) meet(bad *BadPage) error {
	if b.met != nil {
		b.met(bad)
	}
	return bad.err()
}

// readDisk reads past the cache. It needs the page's shard.
func (b *baseFile) readDisk(no uint32) (*logvfs.Page, *BadPage) {
	bad := &BadPage{Page: no, File: b.table.Name(), Offset: int64(no-1) * entrySize, database: b.id}
	var row [entrySize]byte
	if _, err := b.table.ReadAt(row[:], bad.Offset); err != nil && !errors.Is(err, io.EOF) {
		bad.Reason, bad.cause = "cannot read the page's entry", err
		return nil, bad
	}
	e, err := decodeEntry(no, row[:])
	if errors.Is(err, errNoEntry) && no > b.pages.Load() {
		return nil, nil
	}
	if err != nil {
		bad.Reason = err.Error()
		return nil, bad
	}
	bad.File, bad.Offset, bad.LSN, bad.Expected = b.data.Name(), int64(no-1)*PageSize, e.at, e.hash
	p := &logvfs.Page{Hash: e.hash, LSN: e.at}
	p.Clean.Store(true)
	if e.hash.IsZero() {
		return p, nil // what the file holds there does not matter
	}
	if _, err := b.data.ReadAt(p.Data[:], bad.Offset); err != nil && !errors.Is(err, io.EOF) {
		bad.Reason, bad.cause = "cannot read the page", err
		return nil, bad
	}
	if bad.Actual = pagelog.Hash(no, &p.Data); bad.Actual != e.hash && !sabotage.SkipHash {
		bad.Reason = "incorrect checksum"
		return nil, bad
	}
	return p, nil
}

// replaced returns what a page is about to replace, and its hash. That the old page is damaged matters only to readers of
// older versions (lost), as long as its entry is not.
func (b *baseFile) replaced(no uint32) (p *logvfs.Page, hash pagelog.Digest, lost *BadPage, err error) {
	p = b.cache.get(keyOf(b.owner, no))
	if p == nil {
		var bad *BadPage
		mu := &b.shard[no%uint32(len(b.shard))]
		mu.RLock()
		p, bad = b.readDisk(no)
		mu.RUnlock()
		if bad != nil && (bad.cause != nil || bad.LSN.IsZero()) {
			return nil, hash, nil, bad.err()
		}
		if bad != nil {
			return nil, bad.Expected, bad, nil
		}
	}
	if p == nil {
		return nil, hash, nil, nil
	}
	return p, p.Hash, nil, nil
}

// write replaces the page and its entry in the files, unsynced. What it replaces is saved by the caller.
func (b *baseFile) write(no uint32, p *logvfs.Page) error {
	mu := &b.shard[no%uint32(len(b.shard))]
	mu.Lock()
	defer mu.Unlock()
	e := entry{hash: p.Hash, at: p.LSN}
	row := e.encode(no)
	if _, err := b.data.WriteAt(p.Data[:], int64(no-1)*PageSize); err != nil {
		return fmt.Errorf("write page %d: %w", no, err)
	}
	if _, err := b.table.WriteAt(row[:], int64(no-1)*entrySize); err != nil {
		return fmt.Errorf("write page %d's entry: %w", no, err)
	}
	b.cache.put(keyOf(b.owner, no), p)
	return nil
}

// reserve takes the space for the page before it is written: a disk that is full then leaves everything as it is.
func (b *baseFile) reserve(no uint32) error {
	if no <= b.room {
		return nil
	}
	no += min(no/8, 4096)
	if err := b.data.Preallocate(int64(no) * PageSize); err != nil {
		return fmt.Errorf("reserve space for pages: %w", err)
	}
	if err := b.table.Preallocate(int64(no) * entrySize); err != nil {
		return fmt.Errorf("reserve space for the page table: %w", err)
	}
	b.room = no
	return nil
}

func (b *baseFile) sync() error {
	if err := b.data.Sync(); err != nil {
		return fmt.Errorf("sync pages: %w", err)
	}
	if err := b.table.Sync(); err != nil {
		return fmt.Errorf("sync page table: %w", err)
	}
	return nil
}

// err is the bad page as the error that a reader gets: 824, or 823 when the disk failed.
func (p *BadPage) err() error {
	offset := fmt.Sprintf("%#016x", p.Offset)
	if p.cause != nil {
		return sqlerr.New(823, p.cause.Error(), "read", offset, p.File).WithCause(fmt.Errorf("%s: %w", p.Reason, p.cause))
	}
	what := p.Reason
	if !p.Actual.IsZero() || !p.Expected.IsZero() {
		what = fmt.Sprintf("%s (expected: %s; actual: %s)", p.Reason, p.Expected, p.Actual)
	}
	return sqlerr.New(824, what, "read", 1, p.Page, p.database, offset, p.File).
		WithCause(&PageError{p.Page, fmt.Sprintf("%d of LSN %s in %s at %d: %s", p.Page, p.LSN, p.File, p.Offset, what)})
}

// readOnce is read without taking room in the cache.
func (b *baseFile) readOnce(no uint32) (*logvfs.Page, error) {
	if p := b.cache.get(keyOf(b.owner, no)); p != nil {
		return p, nil
	}
	mu := &b.shard[no%uint32(len(b.shard))]
	mu.RLock()
	defer mu.RUnlock()
	p, bad := b.readDisk(no)
	if bad != nil {
		return nil, b.meet(bad)
	}
	return p, nil
}

// writeOnce is write without taking room in the cache, for files nobody reads yet.
func (b *baseFile) writeOnce(no uint32, p *logvfs.Page) error {
	e := entry{hash: p.Hash, at: p.LSN}
	row := e.encode(no)
	if _, err := b.data.WriteAt(p.Data[:], int64(no-1)*PageSize); err != nil {
		return fmt.Errorf("write page %d: %w", no, err)
	}
	if _, err := b.table.WriteAt(row[:], int64(no-1)*entrySize); err != nil {
		return fmt.Errorf("write page %d's entry: %w", no, err)
	}
	return nil
}

// writePages writes a run of pages from page first on, for files nobody reads yet.
func (b *baseFile) writePages(first uint32, pages []byte) error {
	if len(pages) == 0 {
		return nil
	}
	if _, err := b.data.WriteAt(pages, int64(first-1)*PageSize); err != nil {
		return fmt.Errorf("write pages from %d on: %w", first, err)
	}
	return nil
}

// writeRows writes the entries of a run of pages from page first on, AFTER the pages, for files nobody reads yet.
func (b *baseFile) writeRows(first uint32, rows []byte) error {
	if len(rows) == 0 {
		return nil
	}
	if _, err := b.table.WriteAt(rows, int64(first-1)*entrySize); err != nil {
		return fmt.Errorf("write the entries of pages from %d on: %w", first, err)
	}
	return nil
}

// cutTo drops the pages after the last one, and their entries.
func (b *baseFile) cutTo(last uint32) error {
	if err := errors.Join(b.table.Truncate(int64(last)*entrySize), b.data.Truncate(int64(last)*PageSize)); err != nil {
		return fmt.Errorf("cut the pages after %d: %w", last, err)
	}
	return nil
}
