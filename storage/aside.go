package storage

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"linkspan/internal/fsx"
	"linkspan/pagelog"
	"linkspan/storage/logvfs"
)

// asideFile is a temporary file with the pages in which one version differs from another, where memory has no room for
// them: it holds 20 bytes a page in memory. It is filled by one goroutine, and then read by any number.
type asideFile struct {
	db *DB
	// now is the version beside which the file lies; it is pinned until close.
	now *logvfs.Version
	f   fsx.File
	// nos are the pages there, in order, and hashes what they must have; page i is at i·8192. One of zeros takes no room.
	nos    []uint32
	hashes []pagelog.Digest
	closed bool
}

// newAside makes a file for so many pages beside a version, which is pinned by the caller and let go by close. The disk
// must have room for them, and for what links leave of it.
func (db *DB) newAside(now *logvfs.Version, pages int) (*asideFile, error) {
	a := &asideFile{db: db, now: now, nos: make([]uint32, 0, pages), hashes: make([]pagelog.Digest, 0, pages)}
	if err := a.room(pages); err != nil {
		return nil, err
	}
	if err := db.o.FS.MkdirAll(db.tempDir()); err != nil {
		return nil, err
	}
	name := filepath.Join(db.tempDir(), fmt.Sprintf("aside-%d", db.asides.Add(1)))
	f, err := db.o.FS.Create(name)
	if err != nil {
		return nil, fmt.Errorf("make a temporary file for %d pages: %w", pages, err)
	}
	a.f = f
	return a, nil
}

// room makes sure that the disk has room for so many pages more.
func (a *asideFile) room(pages int) error {
	db := a.db
	free, need := db.o.FS.Free(db.o.Dir), int64(pages)*PageSize
	if free >= 0 && need > free-db.reserve {
		return fmt.Errorf("%d pages of another version of the database need %d MiB of disk, and %d MiB are free, of which %d MiB are reserved: free some",
			pages, need>>20+1, free>>20, db.reserve>>20)
	}
	return nil
}

// put adds a page, one after the last one added.
func (a *asideFile) put(no uint32, p *logvfs.Page) error {
	if n := len(a.nos); n > 0 && no <= a.nos[n-1] {
		return fmt.Errorf("page %d is put aside after page %d", no, a.nos[n-1])
	}
	if !p.Hash.IsZero() {
		if _, err := a.f.WriteAt(p.Data[:], int64(len(a.nos))*PageSize); err != nil {
			return fmt.Errorf("write a temporary file of %d pages: %w", len(a.nos), err)
		}
	}
	a.nos, a.hashes = append(a.nos, no), append(a.hashes, p.Hash)
	return nil
}

// Page implements logvfs.Aside.
func (a *asideFile) Page(no uint32) (*logvfs.Page, bool, error) {
	i, ok := slices.BinarySearch(a.nos, no)
	if !ok {
		return nil, false, nil
	}
	p := &logvfs.Page{Hash: a.hashes[i], LSN: a.now.LSN}
	if p.Hash.IsZero() {
		return p, true, nil
	}
	if _, err := a.f.ReadAt(p.Data[:], int64(i)*PageSize); err != nil {
		return nil, true, fmt.Errorf("read page %d from a temporary file: %w", no, err)
	}
	if got := pagelog.Hash(no, &p.Data); got != p.Hash {
		return nil, true, fmt.Errorf("%w: page %d in temporary file %s has hash %s, it should be %s", ErrDamaged, no, a.f.Name(), got, p.Hash)
	}
	return p, true, nil
}

// close removes the file and lets the version go. Idempotent.
func (a *asideFile) close() error {
	if a.closed {
		return nil
	}
	a.closed = true
	a.db.vers.unpin(a.now)
	name := a.f.Name()
	return errors.Join(a.f.Close(), a.db.o.FS.Remove(name))
}
