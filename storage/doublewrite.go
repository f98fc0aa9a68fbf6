package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"

	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/pagelog"
	"linkspan/storage/logvfs"
)

// doubleWrite holds the pages that a checkpoint is about to write to the base file, so that a page torn there can be
// written again. Batches go to two files in turn: while one is being written the other still has the batch before.
type doubleWrite struct {
	files [2]fsx.File
	last  uint64
}

// batch is one run of pages on their way to the base file.
type batch struct {
	number uint64
	// digest is the base file's after the batch; until the LSN of the newest page.
	digest pagelog.Digest
	until  lsn.LSN
	pages  []numbered
}

type numbered struct {
	no   uint32
	page *logvfs.Page
}

const (
	batchMagic  = "LSPNDBLW"
	batchHeader = 128
	// batchPages bounds a batch.
	batchPages = 1024
)

func doubleWriteName(i int) string { return fmt.Sprintf("doublewrite-%d", i) }

func openDoubleWrite(fsys fsx.FS, dir string, create bool) (*doubleWrite, error) {
	d := &doubleWrite{}
	for i := range d.files {
		open := fsys.OpenRW
		if create {
			open = fsys.Create
		}
		f, err := open(filepath.Join(dir, doubleWriteName(i)))
		if err != nil {
			return nil, errors.Join(err, d.close())
		}
		d.files[i] = f
	}
	return d, nil
}

func (d *doubleWrite) close() error {
	var errs []error
	for _, f := range d.files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// write makes the batch durable and numbers it.
func (d *doubleWrite) write(b *batch) error {
	b.number = d.last + 1
	f := d.files[b.number%2]
	if _, err := f.WriteAt(b.encode(), 0); err != nil {
		return fmt.Errorf("write double-write batch: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync double-write batch: %w", err)
	}
	d.last = b.number
	return nil
}

// encode lays the batch out: header, a row per page (number and entry), the pages.
func (b *batch) encode() []byte {
	le := binary.LittleEndian
	out := make([]byte, batchHeader, batchHeader+len(b.pages)*(4+entrySize+PageSize))
	for _, n := range b.pages {
		out = le.AppendUint32(out, n.no)
		e := entry{hash: n.page.Hash, at: n.page.LSN}
		row := e.encode(n.no)
		out = append(out, row[:]...)
	}
	for _, n := range b.pages {
		out = append(out, n.page.Data[:]...)
	}
	copy(out[4:], batchMagic)
	le.PutUint32(out[12:], uint32(len(b.pages)))
	le.PutUint64(out[16:], b.number)
	copy(out[24:], b.digest[:])
	b.until.AppendTo(out[40:40])
	le.PutUint32(out, crc32.Checksum(out[4:], crc32.MakeTable(crc32.Castagnoli)))
	return out
}

// latest returns the batch with the highest number that is wholly there, or nil.
func (d *doubleWrite) latest() (*batch, error) {
	var best *batch
	for _, f := range d.files {
		b, err := readBatch(f)
		if err != nil {
			return nil, err
		}
		if b != nil && (best == nil || b.number > best.number) {
			best = b
		}
	}
	if best != nil {
		d.last = max(d.last, best.number)
	}
	return best, nil
}

// readBatch returns the batch in f, or nil when there is none or it is torn.
func readBatch(f fsx.File) (*batch, error) {
	le := binary.LittleEndian
	head := make([]byte, batchHeader)
	if _, err := f.ReadAt(head, 0); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, fmt.Errorf("read double-write batch: %w", err)
	}
	n := int(le.Uint32(head[12:]))
	if string(head[4:12]) != batchMagic || n > batchPages {
		return nil, nil
	}
	all := make([]byte, batchHeader+n*(4+entrySize+PageSize))
	if _, err := f.ReadAt(all, 0); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, fmt.Errorf("read double-write batch: %w", err)
	}
	if crc32.Checksum(all[4:], crc32.MakeTable(crc32.Castagnoli)) != le.Uint32(all) {
		return nil, nil
	}
	b := &batch{number: le.Uint64(all[16:]), digest: pagelog.Digest(all[24:40])}
	b.until, _ = lsn.Decode(all[40:])
	rows, pages := all[batchHeader:], all[batchHeader+n*(4+entrySize):]
	for i := range n {
		row := rows[i*(4+entrySize):]
		no := le.Uint32(row)
		e, err := decodeEntry(no, row[4:4+entrySize])
		if err != nil {
			return nil, nil
		}
		p := &logvfs.Page{Hash: e.hash, LSN: e.at}
		copy(p.Data[:], pages[i*PageSize:])
		b.pages = append(b.pages, numbered{no, p})
	}
	return b, nil
}

// redo writes the latest batch to the base file again if the state is older than it, and returns the state as the base
// file then is.
func (d *doubleWrite) redo(base *baseFile, m meta) (meta, error) {
	d.last = m.batch
	b, err := d.latest()
	if err != nil || b == nil || b.number <= m.batch {
		return m, err
	}
	for _, n := range b.pages {
		if err := base.write(n.no, n.page); err != nil {
			return m, err
		}
		n.page.Clean.Store(true)
	}
	if err := base.sync(); err != nil {
		return m, err
	}
	m.batch, m.digest, m.until = b.number, b.digest, lsn.Latest(m.until, b.until)
	return m, nil
}
