package foreign

import (
	"errors"
	"sync"

	"linkspan/bak/mdf"
	"linkspan/sqltype"
)

// Rows travel in batches of at most scanRowsMost rows, or as soon as they take scanBytes; scanBatches exist at once.
const (
	scanRowsMost = 1024
	scanBytes    = 1 << 20
	scanBatches  = 3
)

// rowBatch is rows on their way from the pages to the table: the values of the columns that are stored, row by row.
type rowBatch struct {
	values []sqltype.Value
	rows   int
	size   int
}

// rowScan decodes the rows of a table in a goroutine of its own, while those before are inserted.
type rowScan struct {
	ready, free chan *rowBatch
	quit        chan struct{}
	work        sync.WaitGroup
	// err is what ended the scan, once ready is closed.
	err error
	l   *loader
	b   *rowBatch
}

// errStopped ends a scan that nobody waits for.
var errStopped = errors.New("the import was given up")

// scanRows begins to read the rows of t as l wants them. stop MUST be called.
func scanRows(src *mdf.Database, t *mdf.Table, l *loader) *rowScan {
	s := &rowScan{ready: make(chan *rowBatch, scanBatches), free: make(chan *rowBatch, scanBatches), quit: make(chan struct{}), l: l}
	for range scanBatches {
		s.free <- &rowBatch{}
	}
	s.work.Go(func() {
		defer close(s.ready)
		if s.err = src.Scan(t, s.row); s.err == nil {
			s.send()
		}
	})
	return s
}

// next gives the next rows, nil after the last. They go back to free.
func (s *rowScan) next() (*rowBatch, error) {
	if b, ok := <-s.ready; ok {
		return b, nil
	}
	return nil, s.err
}

// row adds a row to the batch.
func (s *rowScan) row(values []sqltype.Value) error {
	if s.b == nil {
		select {
		case s.b = <-s.free:
			*s.b = rowBatch{values: s.b.values[:0]}
		case <-s.quit:
			return errStopped
		}
	}
	for i, at := range s.l.from {
		v, to := values[at], s.l.types[i]
		if !v.IsNull() && v.K != to.Kind {
			c, err := sqltype.Convert(v, sqltype.Type{Kind: v.K}, to, 0)
			if err != nil {
				return err
			}
			v = c
		}
		s.b.values = append(s.b.values, v)
		s.b.size += 16 + len(v.S)
	}
	if s.b.rows++; s.b.rows == scanRowsMost || s.b.size >= scanBytes {
		s.send()
	}
	return nil
}

// send gives the batch away: there is room for all.
func (s *rowScan) send() {
	if s.b != nil {
		s.ready <- s.b
		s.b = nil
	}
}

// stop ends the scan.
func (s *rowScan) stop() {
	close(s.quit)
	s.work.Wait()
}
