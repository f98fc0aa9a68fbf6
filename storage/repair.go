package storage

import (
	"context"
	"errors"
	"fmt"

	"linkspan/lsn"
	"linkspan/pagelog"
	"linkspan/storage/logvfs"
)

// ErrPageDiffers: this copy's page is not the one that was asked for.
var ErrPageDiffers = errors.New("page has another hash here")

// PageWithHash returns the page's content if its hash is want, as it is in the published version or as of the last
// checkpoint: what a copy repairs a damaged page with. ErrPageDiffers when it has changed.
func (db *DB) PageWithHash(ctx context.Context, no uint32, want Digest) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	v := db.pin(false)
	defer db.vers.unpin(v)
	p := v.Changed(no)
	if p == nil || p.Hash != want {
		var err error
		if p, err = db.base.readOnce(no); err != nil {
			return nil, db.wrap("read a page of", err)
		}
	}
	if p == nil || p.Hash != want {
		return nil, db.wrap("read a page of", fmt.Errorf("page %d: %w", no, ErrPageDiffers))
	}
	return append([]byte(nil), p.Data[:]...), nil
}

// check reads a page past the cache and compares it with its entry; nil when it is whole or was never written.
func (b *baseFile) check(no uint32) *BadPage {
	mu := &b.shard[no%uint32(len(b.shard))]
	mu.RLock()
	defer mu.RUnlock()
	_, bad := b.readDisk(no)
	return bad
}

// repair writes a damaged page again: from memory, or from another copy that has the very page. It says where from.
func (db *DB) repair(ctx context.Context, bad *BadPage) (string, error) {
	if err := db.Err(); err != nil {
		return "", err
	}
	if p := db.marks.publishedVersion().Changed(bad.Page); p != nil && !p.Clean.Load() {
		if err := db.Checkpoint(ctx); err != nil { // writes the page anew
			return "", err
		}
		if db.base.check(bad.Page) == nil {
			return "CACHE", nil
		}
	}
	want, err := db.wantedHash(bad)
	if err != nil {
		return "", err
	}
	p, from, err := db.goodPage(ctx, bad.Page, want)
	if err != nil {
		return "", err
	}
	return from, db.rewrite(bad, p)
}

// wantedHash is the hash of the page as it was written. Where the page's own entry is damaged, it is what the other
// pages' hashes lack of the digest of all.
func (db *DB) wantedHash(bad *BadPage) (Digest, error) {
	if bad.cause != nil {
		if bad.LSN.IsZero() {
			return Digest{}, fmt.Errorf("the page's entry cannot be read: %w", bad.cause)
		}
		return bad.Expected, nil
	}
	if !bad.LSN.IsZero() {
		return bad.Expected, nil
	}
	db.ckptMu.Lock()
	defer db.ckptMu.Unlock()
	sum := db.base.digest
	row := make([]byte, 1024*entrySize)
	for first := uint32(1); first <= db.base.pages.Load(); first += 1024 {
		n, _ := db.base.table.ReadAt(row, int64(first-1)*entrySize) // what is missing is damage, below
		for i := 0; i+entrySize <= n && first+uint32(i/entrySize) <= db.base.pages.Load(); i += entrySize {
			no := first + uint32(i/entrySize)
			if no == bad.Page {
				continue
			}
			e, err := decodeEntry(no, row[i:i+entrySize])
			if err != nil {
				return Digest{}, fmt.Errorf("the entries of pages %d and %d are damaged", bad.Page, no)
			}
			sum.XOR(e.hash)
		}
	}
	return sum, nil
}

// goodPage finds the page of a hash.
func (db *DB) goodPage(ctx context.Context, no uint32, want Digest) (*logvfs.Page, string, error) {
	if want.IsZero() { // a page of zeros
		return &logvfs.Page{}, "CACHE", nil
	}
	if p := db.mem.cache.get(keyOf(db.owner, no)); p != nil && p.Hash == want && pagelog.Hash(no, &p.Data) == want {
		return p, "CACHE", nil
	}
	if db.o.FetchPage == nil {
		return nil, "", errors.New("there is no other copy to ask")
	}
	b, err := db.o.FetchPage(ctx, no, want)
	if err != nil {
		return nil, "", fmt.Errorf("ask the other copy: %w", err)
	}
	p := &logvfs.Page{Hash: want}
	if len(b) != PageSize {
		return nil, "", fmt.Errorf("the other copy sent %d bytes", len(b))
	}
	copy(p.Data[:], b)
	if pagelog.Hash(no, &p.Data) != want {
		return nil, "", errors.New("the other copy's page has another hash than was written here")
	}
	return p, "COPY", nil
}

// rewrite puts the page in its place, unless a checkpoint did meanwhile.
func (db *DB) rewrite(bad *BadPage, p *logvfs.Page) error {
	db.ckptMu.Lock()
	defer db.ckptMu.Unlock()
	now := db.base.check(bad.Page)
	if now == nil {
		return nil
	}
	if now.LSN != bad.LSN || now.Expected != bad.Expected {
		return errors.New("the page was changed meanwhile")
	}
	at := bad.LSN
	if at.IsZero() { // its entry is gone: it is not newer than this
		at = db.checkpointLSN()
	}
	if err := db.base.mend(bad.Page, p, at); err != nil {
		return err
	}
	if again := db.base.check(bad.Page); again != nil {
		return fmt.Errorf("what was written is not what is read: %w", again)
	}
	return nil
}

// mend writes a page and its entry, durably.
func (b *baseFile) mend(no uint32, p *logvfs.Page, at lsn.LSN) error {
	mu := &b.shard[no%uint32(len(b.shard))]
	mu.Lock()
	defer mu.Unlock()
	if err := b.writeOnce(no, &logvfs.Page{Data: p.Data, Hash: p.Hash, LSN: at}); err != nil {
		return err
	}
	return b.sync()
}
