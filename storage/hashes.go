package storage

import (
	"context"
	"errors"

	"linkspan/lsn"
	"linkspan/pagelog"
	"linkspan/storage/logvfs"
)

// HashReader computes the hashes of a database's pages as of one LSN, from their content, so that two copies can be
// compared page by page. For one goroutine.
type HashReader struct {
	db *DB
	v  *logvfs.Version
}

// HashReader returns one for the version of the LSN, as ReaderAt does and with its errors; for the zero LSN, of the
// published version. It works on a database that has stopped because of ErrDigest.
func (db *DB) HashReader(ctx context.Context, at lsn.LSN) (*HashReader, error) {
	if at.IsZero() {
		return &HashReader{db, db.pin(false)}, nil
	}
	v, err := db.versionAt(ctx, at)
	if err != nil {
		return nil, db.wrap("hash the pages of", err)
	}
	return &HashReader{db, v}, nil
}

// Read returns the hashes of up to n pages from first on, fewer where the database ends. A page that is damaged gets a
// hash that no page has.
func (h *HashReader) Read(ctx context.Context, first uint32, n int) ([]Digest, error) {
	if first == 0 || n <= 0 {
		return nil, h.db.wrap("hash the pages of", errors.New("pages are counted from 1"))
	}
	var out []Digest
	for no := uint64(first); no < uint64(first)+uint64(n) && no <= uint64(h.v.Pages); no++ {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		p, err := h.db.pageOf(h.v, uint32(no))
		switch {
		case errors.Is(err, ErrDamaged):
			out = append(out, damagedHash())
		case err != nil:
			return nil, h.db.wrap("hash the pages of", err)
		case p == nil:
			out = append(out, Digest{})
		default:
			out = append(out, pagelog.Hash(uint32(no), &p.Data))
		}
	}
	return out, nil
}

func damagedHash() (d Digest) {
	for i := range d {
		d[i] = 0xff
	}
	return d
}

// Version describes the version that is read.
func (h *HashReader) Version() VersionInfo {
	return VersionInfo{LSN: h.v.LSN, Epoch: h.v.Epoch, Pages: h.v.Pages, Digest: h.v.Digest}
}

// Pages appends the content of pages to b, PageSize bytes each. Those beyond the database's end are zeros.
func (h *HashReader) Pages(ctx context.Context, b []byte, pages []uint32) ([]byte, error) {
	for _, no := range pages {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		var p *logvfs.Page
		var err error
		if no > 0 && no <= h.v.Pages {
			if p, err = h.db.pageOf(h.v, no); err != nil {
				return nil, h.db.wrap("read pages of", err)
			}
		}
		if p == nil {
			p = &logvfs.Page{}
		}
		b = append(b, p.Data[:]...)
	}
	return b, nil
}

// Close lets the version go.
func (h *HashReader) Close() { h.db.letGo(h.v) }

// VersionInfo describes one version of a database.
type VersionInfo struct {
	LSN   lsn.LSN
	Epoch uint32
	// Pages is its size, Digest that of its pages.
	Pages  uint32
	Digest Digest
}

// HashPage returns the hash of a page's PageSize bytes.
func HashPage(no uint32, data []byte) Digest { return pagelog.Hash(no, (*pagelog.Page)(data)) }
