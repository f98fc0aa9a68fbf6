package bak

import (
	"fmt"
	"io"
	"sort"
)

// Content is a file's MTF bytes at random offsets: the file itself, or what a compressed container expands to. It is
// immutable and may be shared; each reader takes its own View.
type Content struct {
	r     io.ReaderAt
	size  int64 // of the file
	kind  Container
	total int64
	marks []mark
	// chunks is the number of compressed chunks.
	chunks int64
	// fault is why the expansion ends at total although the file does not say so.
	fault error
}

// mark is a place in a compressed container: the record at file offset at gives the MTF bytes from out on.
type mark struct{ out, at, block int64 }

// markEvery is the number of chunks between two marks: an index entry serves about a megabyte.
const markEvery = 16

// OpenContent looks at the container of a file of size bytes. For a compressed one it walks the record headers (not the
// data) once. It errs with a *Fault when the file is no backup that can be read at all; a compressed file that is cut or
// damaged later on is opened up to there, and the fault comes when the reading gets there.
func OpenContent(r io.ReaderAt, size int64, o Options) (*Content, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	head := make([]byte, min(size, sniffSize))
	if n, err := readAt(r, head, 0); err != nil && n == 0 {
		return nil, fmt.Errorf("read backup header: %w", err)
	}
	kind, err := sniff(head)
	if err != nil {
		return nil, err
	}
	c := &Content{r: r, size: size, kind: kind, total: size}
	if kind == Compressed {
		c.total = 0
		c.fault = c.walk(o)
		if c.total == 0 && c.fault != nil {
			return nil, c.fault
		}
	}
	return c, nil
}

// Container says whether the file is plain or compressed.
func (c *Content) Container() Container { return c.kind }

// Size is the number of MTF bytes.
func (c *Content) Size() int64 { return c.total }

// FileSize is the number of bytes of the file.
func (c *Content) FileSize() int64 { return c.size }

// walk makes the index.
func (c *Content) walk(o Options) error {
	block, n := int64(sectorSize), 0
	for at := int64(firstRecord); at < c.size; n++ {
		r, ok, err := c.recordAt(at)
		if err != nil || !ok {
			return err
		}
		if r.isMark() {
			block = int64(r.size)
		}
		next := r.next(block)
		if next > c.size && r.out > 0 {
			return &Fault{Kind: Truncated, Offset: c.size, What: "chunk of the compressed container", Want: fmt.Sprintf("%d bytes", r.size), Got: fmt.Sprintf("%d", c.size-r.payload)}
		}
		if c.total+int64(r.out) > o.MaxExpanded {
			return &Fault{Kind: OverBudget, Offset: at, What: "compressed file", Want: fmt.Sprintf("at most %d bytes after expansion", o.MaxExpanded), Got: "more"}
		}
		if n%markEvery == 0 {
			c.marks = append(c.marks, mark{out: c.total, at: at, block: block})
		}
		if r.out > 0 && !r.isMark() {
			c.chunks++
		}
		c.total += int64(r.out)
		at = next
	}
	return nil
}

// recordAt reads the record header at a file offset.
func (c *Content) recordAt(at int64) (record, bool, error) {
	var b [recordNeed]byte
	n, err := readAt(c.r, b[:max(0, min(recordNeed, c.size-at))], at)
	if err != nil {
		return record{}, false, fmt.Errorf("read backup: %w", err)
	}
	return parseRecord(b[:n], at)
}

// View gives the MTF bytes to one reader at a time; several Views of one Content may be used concurrently.
type View struct {
	c   *Content
	dec *xpressDecoder
	// cur is the record that gives the bytes from out on; block is the device block there.
	cur   record
	out   int64
	block int64
	have  bool // cur is set
	ready bool // data holds cur's bytes
	data  []byte
	raw   []byte
	// spare is data's memory between records.
	spare []byte
}

// View makes a new reader of c.
func (c *Content) View() *View { return &View{c: c} }

// Clone makes another reader of the same Content.
func (v *View) Clone() *View { return v.c.View() }

// ReadAt implements io.ReaderAt over the MTF bytes. At the end it gives io.EOF, or the fault that ends the file early.
func (v *View) ReadAt(p []byte, off int64) (int, error) {
	if v.c.kind == Plain {
		if off >= v.c.size {
			return 0, io.EOF
		}
		return v.c.r.ReadAt(p, off)
	}
	done := 0
	for done < len(p) {
		at := off + int64(done)
		if at >= v.c.total {
			if v.c.fault != nil {
				return done, v.c.fault
			}
			return done, io.EOF
		}
		if err := v.seek(at); err != nil {
			return done, err
		}
		if err := v.load(); err != nil {
			return done, err
		}
		done += copy(p[done:], v.data[at-v.out:])
	}
	return done, nil
}

// FileOffset gives the file offset of the MTF byte at off: of the chunk that holds it, in a compressed file.
func (v *View) FileOffset(off int64) int64 {
	if v.c.kind == Plain {
		return off
	}
	if off >= v.c.total || v.seek(off) != nil {
		return v.c.size
	}
	return v.cur.at
}

// seek makes cur the record that gives the byte at off, which is before the end.
func (v *View) seek(off int64) error {
	if v.have && off >= v.out && off < v.out+int64(v.cur.out) {
		return nil
	}
	at := int64(0)
	if v.have && off >= v.out && off < v.out+markEvery*maxChunk {
		at = v.cur.next(v.block)
		v.out += int64(v.cur.out)
	} else {
		i := sort.Search(len(v.c.marks), func(i int) bool { return v.c.marks[i].out > off }) - 1
		at, v.out, v.block = v.c.marks[i].at, v.c.marks[i].out, v.c.marks[i].block
	}
	v.have, v.ready = false, false
	for {
		r, ok, err := v.c.recordAt(at)
		if err != nil {
			return err
		}
		if !ok {
			return io.ErrUnexpectedEOF // the file changed under us
		}
		if r.isMark() {
			v.block = int64(r.size)
		}
		if off < v.out+int64(r.out) {
			v.cur, v.have = r, true
			return nil
		}
		v.out += int64(r.out)
		at = r.next(v.block)
	}
}

// load makes data hold the bytes of cur.
func (v *View) load() error {
	if v.ready {
		return nil
	}
	if v.dec == nil {
		v.dec, v.spare, v.raw = new(xpressDecoder), make([]byte, maxChunk), make([]byte, maxChunk)
	}
	if v.cur.size > len(v.raw) || v.cur.out > len(v.spare) {
		return &Fault{Kind: Damaged, Offset: v.cur.at, What: "record of the compressed container", Want: "at most 65536 bytes", Got: fmt.Sprint(max(v.cur.size, v.cur.out))}
	}
	raw := v.raw[:v.cur.size]
	if _, err := readAt(v.c.r, raw, v.cur.payload); err != nil {
		return fmt.Errorf("read backup: %w", err)
	}
	v.data = v.spare[:v.cur.out]
	if err := v.dec.expand(v.cur, v.data, raw); err != nil {
		return err
	}
	v.ready = true
	return nil
}
