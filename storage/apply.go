package storage

import (
	"fmt"

	"linkspan/internal/sabotage"
	"linkspan/lsn"
	"linkspan/pagelog"
	"linkspan/storage/logvfs"
)

// applier turns records into versions: for recovery and for replicas. For one goroutine.
type applier struct {
	base *baseFile
	b    *logvfs.Builder
	// digest is that of the pages as they are now, but for those in touched.
	digest pagelog.Digest
	// touched are the pages changed since the last version, with the hash they had then.
	touched map[uint32]pagelog.Digest
	// until is the LSN before which pages may be newer than the records.
	until lsn.LSN
	// last is the header of the last record that ended a commit, and open tells that a commit is under way.
	last pagelog.Header
	open bool
	// replaced are the LSNs of the pages in memory that were changed since it was last emptied.
	replaced []lsn.LSN
}

func newApplier(base *baseFile, from *logvfs.Version, until lsn.LSN) *applier {
	return &applier{base: base, b: logvfs.NewBuilder(from), digest: from.Digest, touched: map[uint32]pagelog.Digest{}, until: until}
}

// record applies one record.
func (a *applier) record(h *pagelog.Header, body []byte) error {
	a.open = h.More()
	if !a.open {
		a.last = *h
	}
	if h.Kind != pagelog.KindPages {
		return nil
	}
	c := pagelog.ParseChanges(body)
	for c.Next() {
		if err := a.change(h, c); err != nil {
			return err
		}
	}
	if err := c.Err(); err != nil {
		return fmt.Errorf("%w: record %s: %w", ErrDamaged, h.LSN, err)
	}
	return nil
}

func (a *applier) change(h *pagelog.Header, c *pagelog.Changes) error {
	if p := a.b.Own(c.Page); p != nil {
		c.Apply(&p.Data)
		p.LSN = h.LSN
		return nil
	}
	old := a.b.Get(c.Page)
	if old != nil && !old.Clean.Load() {
		a.replaced = append(a.replaced, old.LSN)
	}
	if old == nil {
		var err error
		if old, err = a.base.read(c.Page); err != nil {
			return fmt.Errorf("apply record %s: %w", h.LSN, err)
		}
	}
	p := &logvfs.Page{LSN: h.LSN}
	var hash pagelog.Digest
	if old != nil {
		if !old.LSN.Less(h.LSN) && h.LSN.Compare(a.until) <= 0 {
			return nil // the base file is ahead of the log here
		}
		hash, p.Data = old.Hash, old.Data
	}
	if hash.Check() != c.Check {
		return &DigestError{LSN: h.LSN, Page: c.Page, Expected: fmt.Sprintf("%08x", c.Check), Actual: fmt.Sprintf("%08x", hash.Check())}
	}
	c.Apply(&p.Data)
	a.touched[c.Page] = hash
	a.b.SetOwn(c.Page, p)
	return nil
}

// version returns the version after the last commit, which ends at the position, once its digest was found right. It
// MUST not be called while a commit is open.
func (a *applier) version(end logvfs.Position) (*logvfs.Version, error) {
	for no, before := range a.touched {
		p := a.b.Own(no)
		p.Hash = pagelog.Hash(no, &p.Data)
		a.digest.XOR(before)
		a.digest.XOR(p.Hash)
	}
	clear(a.touched)
	h := &a.last
	if sabotage.CopiedDigest {
		a.digest = h.Digest
	}
	if !h.LSN.Less(a.until) && a.digest != h.Digest {
		return nil, &DigestError{LSN: h.LSN, Expected: h.Digest.String(), Actual: a.digest.String()}
	}
	return a.b.Version(&logvfs.Version{LSN: h.LSN, End: end, Epoch: h.Epoch, Time: h.Time, Pages: h.Pages, Digest: a.digest}), nil
}
