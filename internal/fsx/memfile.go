package fsx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"syscall"
)

// memNode is a file's content. Mem.mu protects it.
type memNode struct {
	// data is what reads see.
	data []byte
	// synced is what the last Sync made durable.
	synced []byte
	// unsynced lists, per sector, what it held after each write since the last Sync, latest last.
	unsynced map[int64][][]byte
	// sizes lists the sizes the file had since the last Sync.
	sizes []int64
}

// versions bounds the older contents kept of one sector.
const versions = 4

// touch notes that bytes [from, to) of n were changed. It needs Mem.mu.
func (n *memNode) touch(from, to int64) {
	if n.unsynced == nil {
		n.unsynced = map[int64][][]byte{}
	}
	for s := from / SectorSize; s*SectorSize < to; s++ {
		b := make([]byte, SectorSize)
		copy(b, n.data[min(s*SectorSize, int64(len(n.data))):])
		v := append(n.unsynced[s], b)
		if len(v) > versions {
			v = v[1:]
		}
		n.unsynced[s] = v
	}
}

// resize sets n's size. It needs Mem.mu.
func (m *Mem) resize(n *memNode, size int64) error {
	have := int64(len(n.data))
	if m.limit >= 0 && m.used+size-have > m.limit && size > have {
		return syscall.ENOSPC
	}
	m.used += size - have
	if size <= have {
		clear(n.data[size:])
		n.data = n.data[:size]
		if tail := size % SectorSize; tail != 0 {
			n.touch(size-tail, size)
		}
	} else if size <= int64(cap(n.data)) {
		n.data = n.data[:size]
	} else {
		n.data = append(n.data, make([]byte, size-have)...)
	}
	n.sizes = append(n.sizes, size)
	return nil
}

// sync makes n durable. It needs Mem.mu.
func (n *memNode) sync() {
	if size := len(n.data); size > len(n.synced) {
		n.synced = append(n.synced, make([]byte, size-len(n.synced))...)
	} else {
		n.synced = n.synced[:size]
	}
	for s := range n.unsynced {
		if from := s * SectorSize; from < int64(len(n.data)) {
			copy(n.synced[from:], n.data[from:min(from+SectorSize, int64(len(n.data)))])
		}
	}
	n.unsynced, n.sizes = nil, nil
}

// crash returns what a loss of power leaves of n: of each unsynced sector one of the contents it had.
func (n *memNode) crash(rnd *rand.Rand, keep float64) *memNode {
	size := int64(len(n.synced))
	if len(n.sizes) > 0 && rnd.Float64() < keep {
		size = n.sizes[rnd.IntN(len(n.sizes))]
	}
	data := make([]byte, size)
	copy(data, n.synced)
	for s := int64(0); s*SectorSize < size; s++ {
		if v := n.unsynced[s]; len(v) > 0 && rnd.Float64() < keep {
			copy(data[s*SectorSize:], v[rnd.IntN(len(v))])
		}
	}
	return &memNode{data: data, synced: append([]byte(nil), data...)}
}

// CrashClone returns the disk as a loss of power now could leave it: everything synced, and of the rest (sectors, sizes,
// directory entries) a subset chosen by seed. keep is the share kept: 0 loses all that was not synced, 1 loses nothing
// but may keep older contents of a sector.
func (m *Mem) CrashClone(seed uint64, keep float64) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	rnd := rand.New(rand.NewPCG(seed, 0x6c696e6b7370616e))
	c := NewMem()
	nodes := map[*memNode]*memNode{}
	for _, name := range sortedKeys(m.dirs) {
		d := m.dirs[name]
		entries := map[string]*memNode{}
		for n, node := range d.durable {
			entries[n] = node
		}
		for _, ch := range d.pending {
			if rnd.Float64() < keep {
				for n, node := range ch.names {
					set(entries, n, node)
				}
			}
		}
		nd := newDir()
		for _, n := range sortedKeys(entries) {
			node := entries[n]
			if nodes[node] == nil {
				nodes[node] = node.crash(rnd, keep)
				c.used += int64(len(nodes[node].data))
			}
			nd.now[n], nd.durable[n] = nodes[node], nodes[node]
		}
		c.dirs[name] = nd
	}
	return c
}

// Clone returns a copy of the disk as a machine that was not harmed would show it, all of it durable.
func (m *Mem) Clone() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewMem()
	for name, d := range m.dirs {
		nd := newDir()
		for n, node := range d.now {
			cp := &memNode{data: append([]byte(nil), node.data...), synced: append([]byte(nil), node.data...)}
			c.used += int64(len(cp.data))
			nd.now[n], nd.durable[n] = cp, cp
		}
		c.dirs[name] = nd
	}
	return c
}

// memFile is an open file of a Mem.
type memFile struct {
	m        *Mem
	node     *memNode
	name     string
	writable bool
	closed   bool // protected by m.mu
}

func (f *memFile) check(op string) error {
	if f.closed {
		return &fs.PathError{Op: op, Path: f.name, Err: fs.ErrClosed}
	}
	return nil
}

// Name implements File.
func (f *memFile) Name() string { return f.name }

// ReadAt implements File.
func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	if err := f.m.announce(Op{Kind: OpRead, Name: f.name, Offset: off, Size: int64(len(b))}); err != nil {
		return 0, err
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.check("read"); err != nil {
		return 0, err
	}
	if off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.node.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements File.
func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	if err := f.m.announce(Op{Kind: OpWrite, Name: f.name, Offset: off, Size: int64(len(b))}); err != nil {
		return 0, err
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.check("write"); err != nil {
		return 0, err
	}
	if !f.writable {
		return 0, &fs.PathError{Op: "write", Path: f.name, Err: errors.ErrUnsupported}
	}
	end := off + int64(len(b))
	if end > int64(len(f.node.data)) {
		if err := f.m.resize(f.node, end); err != nil {
			return 0, &fs.PathError{Op: "write", Path: f.name, Err: err}
		}
	}
	copy(f.node.data[off:], b)
	f.node.touch(off, end)
	return len(b), nil
}

// Sync implements File.
func (f *memFile) Sync() error {
	if err := f.m.announce(Op{Kind: OpSync, Name: f.name}); err != nil {
		return err
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.check("sync"); err != nil {
		return err
	}
	f.node.sync()
	return nil
}

// Truncate implements File.
func (f *memFile) Truncate(size int64) error {
	if err := f.m.announce(Op{Kind: OpTruncate, Name: f.name, Size: size}); err != nil {
		return err
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.check("truncate"); err != nil {
		return err
	}
	if err := f.m.resize(f.node, size); err != nil {
		return &fs.PathError{Op: "truncate", Path: f.name, Err: err}
	}
	return nil
}

// Size implements File.
func (f *memFile) Size() (int64, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	return int64(len(f.node.data)), f.check("size")
}

// Preallocate implements File.
func (f *memFile) Preallocate(size int64) error {
	if have, err := f.Size(); err != nil || have >= size {
		return err
	}
	if err := f.Truncate(size); err != nil {
		return fmt.Errorf("preallocate: %w", err)
	}
	return nil
}

// Close implements File.
func (f *memFile) Close() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.check("close"); err != nil {
		return err
	}
	f.closed = true
	return nil
}
