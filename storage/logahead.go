package storage

import (
	"errors"
	"io"

	"linkspan/lsn"
	"linkspan/pagelog"
)

// aheadBytes is about how much log one block holds, and aheadBlocks how many there are: one is applied while the next is
// read and checked.
const (
	aheadBytes  = 1 << 20
	aheadBlocks = 3
)

// logBlock is some records in order, in room of their own, or why there are no more.
type logBlock struct {
	heads  []pagelog.Header
	bodies [][]byte
	ends   []int64 // where each ends in the segment
	room   []byte
	err    error
}

func (b *logBlock) reset() {
	b.heads, b.bodies, b.ends, b.room = b.heads[:0], b.bodies[:0], b.ends[:0], b.room[:0]
}

// take copies a record into the block's room; it reports false when there is none.
func (b *logBlock) take(h *pagelog.Header, body []byte, end int64) bool {
	if len(b.room)+len(body) > cap(b.room) {
		if len(b.room) > 0 {
			return false
		}
		b.room = make([]byte, 0, max(aheadBytes, len(body)))
	}
	n := len(b.room)
	b.room = append(b.room, body...)
	b.heads, b.bodies, b.ends = append(b.heads, *h), append(b.bodies, b.room[n:len(b.room):len(b.room)]), append(b.ends, end)
	return true
}

// ahead reads a segment's records while the ones before are applied.
type ahead struct {
	// records gives the blocks; it is closed after the last record, or after the block with the error.
	records chan *logBlock
	free    chan *logBlock
	quit    chan struct{}
	done    chan struct{}
}

// scanAhead reads the scanner's records up to the LSN last, or the segment's end. The scanner is its own until stop.
func scanAhead(sc *pagelog.Scanner, last lsn.LSN) *ahead {
	a := &ahead{records: make(chan *logBlock), free: make(chan *logBlock, aheadBlocks), quit: make(chan struct{}), done: make(chan struct{})}
	for range aheadBlocks {
		a.free <- &logBlock{}
	}
	go a.scan(sc, last)
	return a
}

func (a *ahead) scan(sc *pagelog.Scanner, last lsn.LSN) {
	defer close(a.done)
	defer close(a.records)
	b := <-a.free
	for sc.Prev().Less(last) {
		h, body, _, err := sc.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && b.take(&h, body, sc.Offset()) {
			continue
		}
		if b = a.send(b); b == nil {
			return
		}
		if err != nil {
			b.err = err
			break
		}
		b.take(&h, body, sc.Offset())
	}
	a.send(b)
}

// send hands a block over and returns an empty one, or nil when nobody wants any more.
func (a *ahead) send(b *logBlock) *logBlock {
	select {
	case a.records <- b:
	case <-a.quit:
		return nil
	}
	select {
	case b = <-a.free:
		b.reset()
		return b
	case <-a.quit:
		return nil
	}
}

// back gives a block's room back; its records are not valid any more.
func (a *ahead) back(b *logBlock) { a.free <- b }

// stop ends the reading and waits.
func (a *ahead) stop() {
	close(a.quit)
	<-a.done
}
