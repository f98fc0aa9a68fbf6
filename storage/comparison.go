package storage

import (
	"context"
	"errors"
	"fmt"

	"linkspan/lsn"
	"linkspan/pagelog"
	"linkspan/storage/logvfs"
)

// Comparison puts a version of another copy of the database together from the pages that are here and those that differ,
// which are brought and kept in a temporary file: so that the two can be compared row by row BEFORE anything here is given
// up. What is here stays as it is. For one goroutine.
type Comparison struct {
	db *DB
	// now is the version here, with all that was appended.
	now *logvfs.Version
	// before is what an earlier attempt brought.
	before, brought *asideFile
	next            uint32
	digest          Digest
	closed          bool
}

// Compare begins a comparison with the database as it is now, and with all that was appended. It MUST NOT be written
// meanwhile.
func (db *DB) Compare(ctx context.Context) (*Comparison, error) {
	if err := ctx.Err(); err != nil {
		return nil, db.wrap("compare", context.Cause(ctx))
	}
	c := &Comparison{db: db, now: db.pin(true), next: 1}
	if err := c.begin(); err != nil {
		db.vers.unpin(c.now)
		return nil, db.wrap("compare", err)
	}
	return c, nil
}

func (c *Comparison) begin() error {
	a, err := c.db.newAside(c.db.pin(true), 0)
	if err != nil {
		c.db.vers.unpin(c.now) // the second pin
		return err
	}
	c.brought, c.next, c.digest = a, 1, Digest{}
	return nil
}

// At is the LSN of the version here.
func (c *Comparison) At() lsn.LSN { return c.now.LSN }

// Take says of the next pages of the other version, in order, what their hashes are. It returns those that must be brought
// by Put before the next Take: the others are here, or were brought before Again.
func (c *Comparison) Take(ctx context.Context, hashes []Digest) (missing []uint32, err error) {
	for _, want := range hashes {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		same, err := c.same(c.next, want)
		if err != nil {
			return nil, c.db.wrap("compare", err)
		}
		if !same {
			missing = append(missing, c.next)
		}
		c.digest.XOR(want)
		c.next++
	}
	return missing, nil
}

// same reports whether the page here has the hash.
func (c *Comparison) same(no uint32, want Digest) (bool, error) {
	if no > c.now.Pages {
		return false, nil
	}
	p, err := c.db.pageOf(c.now, no)
	switch {
	case errors.Is(err, ErrDamaged):
		return false, nil // it is brought
	case err != nil:
		return false, err
	case p == nil:
		return want.IsZero(), nil
	}
	return p.Hash == want, nil // it was compared with its content when it was read
}

// Had reports whether an earlier attempt brought the page, or it is one of zeros: then Reuse takes the place of Put.
func (c *Comparison) Had(no uint32, want Digest) bool {
	p, err := c.had(no, want)
	return p != nil && err == nil
}

func (c *Comparison) had(no uint32, want Digest) (*logvfs.Page, error) {
	if want.IsZero() {
		return &logvfs.Page{}, nil
	}
	if c.before == nil {
		return nil, nil
	}
	p, ok, err := c.before.Page(no)
	if err != nil || !ok || p.Hash != want {
		return nil, err
	}
	return p, nil
}

// Reuse keeps a page that Had reported.
func (c *Comparison) Reuse(no uint32, want Digest) error {
	p, err := c.had(no, want)
	if err == nil && p == nil {
		err = fmt.Errorf("page %d was not brought before", no)
	}
	if err == nil {
		err = c.brought.put(no, p)
	}
	return c.db.wrap("compare", err)
}

// Put keeps a page of the other version, which comes in order of pages and MUST have the hash.
func (c *Comparison) Put(no uint32, data []byte, want Digest) error {
	if len(data) != PageSize || pagelog.Hash(no, (*pagelog.Page)(data)) != want {
		return c.db.wrap("compare", fmt.Errorf("%w: page %d came with another hash than %s", ErrDigest, no, want))
	}
	if err := c.brought.room(1); err != nil {
		return c.db.wrap("compare", err)
	}
	return c.db.wrap("compare", c.brought.put(no, &logvfs.Page{Data: pagelog.Page(data), Hash: want}))
}

// Again begins anew, with another version of the other copy; what was brought is used where it still fits.
func (c *Comparison) Again() error {
	old := c.before
	c.before = c.brought
	if old != nil {
		if err := old.close(); err != nil {
			return c.db.wrap("compare", err)
		}
	}
	return c.db.wrap("compare", c.begin())
}

// Brought is how many pages differ.
func (c *Comparison) Brought() int { return len(c.brought.nos) }

// Reader opens a connection that sees the other version, once all its pages were taken. It errs with ErrDigest when they
// are not those of the version. It must be released BEFORE Close.
func (c *Comparison) Reader(ctx context.Context, of VersionInfo) (*Conn, error) {
	if c.next != of.Pages+1 || c.digest != of.Digest {
		return nil, c.db.wrap("compare", fmt.Errorf("%w at %s: %d pages with digest %s, the other copy has %d with %s", ErrDigest, of.LSN, c.next-1, c.digest, of.Pages, of.Digest))
	}
	c.db.conns.hold.RLock()
	defer c.db.conns.hold.RUnlock()
	v := &logvfs.Version{LSN: of.LSN, Epoch: of.Epoch, Pages: of.Pages, Digest: of.Digest}
	conn, err := c.db.readerOf(ctx, v.Beside(c.now, borrowed{c.brought}))
	return conn, c.db.wrap("read another copy's version of", err)
}

// borrowed is a file that is closed by its owner, not by who reads a version with it.
type borrowed struct{ logvfs.Aside }

// Close removes what was brought. Idempotent.
func (c *Comparison) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	err := c.brought.close()
	if c.before != nil {
		err = errors.Join(err, c.before.close())
	}
	c.db.vers.unpin(c.now)
	return c.db.wrap("compare", err)
}
