package fsx

import (
	"io/fs"
	"path/filepath"
	"sort"
	"sync"
	"syscall"
)

// SectorSize is the unit, in bytes, that Mem's disk writes whole or not at all.
const SectorSize = 512

// OpKind is a kind of change to the disk.
type OpKind string

// The kinds that Mem announces to its hook.
const (
	OpCreate   OpKind = "create"
	OpWrite    OpKind = "write"
	OpTruncate OpKind = "truncate"
	OpSync     OpKind = "sync"
	OpRemove   OpKind = "remove"
	OpRename   OpKind = "rename"
	OpMkdir    OpKind = "mkdir"
	OpSyncDir  OpKind = "syncdir"
	OpRead     OpKind = "read"
)

// Op is one operation about to happen.
type Op struct {
	Kind OpKind
	Name string
	// Offset and Size are those of a write, or Size that of a truncation.
	Offset, Size int64
}

// Mem is a file system in memory that remembers what a loss of power would keep. Safe for concurrent use.
type Mem struct {
	mu    sync.Mutex // protects all below, and every memNode's content
	dirs  map[string]*memDir
	locks map[string]bool
	hook  func(Op) error
	used  int64
	limit int64
}

// memDir is a directory: its entries now, and those a crash surely keeps.
type memDir struct {
	now, durable map[string]*memNode
	// pending are the changes since the last SyncDir, in order.
	pending []dirChange
}

// dirChange sets names (nil removes) atomically.
type dirChange struct{ names map[string]*memNode }

// NewMem returns an empty file system that holds the root directory only.
func NewMem() *Mem {
	return &Mem{dirs: map[string]*memDir{root: newDir()}, locks: map[string]bool{}, limit: -1}
}

const root = string(filepath.Separator)

func newDir() *memDir {
	return &memDir{now: map[string]*memNode{}, durable: map[string]*memNode{}}
}

// SetHook has f called before every operation; its error becomes the operation's, which then has no effect. f may call
// CrashClone. nil takes the hook away.
func (m *Mem) SetHook(f func(Op) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hook = f
}

// SetLimit bounds the bytes of all files; a write or allocation beyond gets ENOSPC. Negative means no bound.
func (m *Mem) SetLimit(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.limit = bytes
}

// Used is the number of bytes all files take.
func (m *Mem) Used() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used
}

func (m *Mem) announce(op Op) error {
	m.mu.Lock()
	hook := m.hook
	m.mu.Unlock()
	if hook == nil {
		return nil
	}
	if err := hook(op); err != nil {
		return &fs.PathError{Op: string(op.Kind), Path: op.Name, Err: err}
	}
	return nil
}

func clean(name string) string {
	if !filepath.IsAbs(name) {
		name = root + name
	}
	return filepath.Clean(name)
}

// lookup finds a file. It needs mu.
func (m *Mem) lookup(op, name string) (*memNode, error) {
	d := m.dirs[filepath.Dir(name)]
	if d == nil || d.now[filepath.Base(name)] == nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return d.now[filepath.Base(name)], nil
}

func (d *memDir) change(names map[string]*memNode) {
	d.pending = append(d.pending, dirChange{names})
	for n, node := range names {
		set(d.now, n, node)
	}
}

func set(m map[string]*memNode, name string, node *memNode) {
	if node == nil {
		delete(m, name)
	} else {
		m[name] = node
	}
}

// Create implements FS.
func (m *Mem) Create(name string) (File, error) {
	name = clean(name)
	if err := m.announce(Op{Kind: OpCreate, Name: name}); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.dirs[filepath.Dir(name)]
	if d == nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrNotExist}
	}
	node := d.now[filepath.Base(name)]
	if node == nil {
		node = &memNode{}
		d.change(map[string]*memNode{filepath.Base(name): node})
	} else if err := m.resize(node, 0); err != nil {
		return nil, err
	}
	return &memFile{m: m, node: node, name: name, writable: true}, nil
}

// Open implements FS.
func (m *Mem) Open(name string) (File, error) { return m.open(name, false) }

// OpenRW implements FS.
func (m *Mem) OpenRW(name string) (File, error) { return m.open(name, true) }

func (m *Mem) open(name string, writable bool) (File, error) {
	name = clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	node, err := m.lookup("open", name)
	if err != nil {
		return nil, err
	}
	return &memFile{m: m, node: node, name: name, writable: writable}, nil
}

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	name = clean(name)
	if err := m.announce(Op{Kind: OpRemove, Name: name}); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if d := m.dirs[name]; d != nil {
		if len(d.now) > 0 {
			return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
		}
		delete(m.dirs, name)
		return nil
	}
	node, err := m.lookup("remove", name)
	if err != nil {
		return err
	}
	m.used -= int64(len(node.data))
	m.dirs[filepath.Dir(name)].change(map[string]*memNode{filepath.Base(name): nil})
	return nil
}

// Rename implements FS for files. Between two directories it is two changes, of which a crash may keep either.
func (m *Mem) Rename(oldname, newname string) error {
	oldname, newname = clean(oldname), clean(newname)
	if err := m.announce(Op{Kind: OpRename, Name: newname}); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	node, err := m.lookup("rename", oldname)
	if err != nil {
		return err
	}
	from, to := m.dirs[filepath.Dir(oldname)], m.dirs[filepath.Dir(newname)]
	if to == nil {
		return &fs.PathError{Op: "rename", Path: newname, Err: fs.ErrNotExist}
	}
	if old := to.now[filepath.Base(newname)]; old != nil && old != node {
		m.used -= int64(len(old.data))
	}
	if from == to {
		from.change(map[string]*memNode{filepath.Base(oldname): nil, filepath.Base(newname): node})
		return nil
	}
	to.change(map[string]*memNode{filepath.Base(newname): node})
	from.change(map[string]*memNode{filepath.Base(oldname): nil})
	return nil
}

// MkdirAll implements FS. Directories are durable at once.
func (m *Mem) MkdirAll(name string) error {
	name = clean(name)
	if err := m.announce(Op{Kind: OpMkdir, Name: name}); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for ; m.dirs[name] == nil; name = filepath.Dir(name) {
		m.dirs[name] = newDir()
	}
	return nil
}

// ReadDir implements FS.
func (m *Mem) ReadDir(name string) ([]fs.DirEntry, error) {
	name = clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.dirs[name]
	if d == nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
	}
	var out []fs.DirEntry
	for n, node := range d.now {
		out = append(out, fs.FileInfoToDirEntry(memInfo{n, int64(len(node.data)), false}))
	}
	for sub := range m.dirs {
		if sub != name && filepath.Dir(sub) == name {
			out = append(out, fs.FileInfoToDirEntry(memInfo{filepath.Base(sub), 0, true}))
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name() < out[j].Name() })
	return out, nil
}

// Stat implements FS.
func (m *Mem) Stat(name string) (fs.FileInfo, error) {
	name = clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dirs[name] != nil {
		return memInfo{filepath.Base(name), 0, true}, nil
	}
	node, err := m.lookup("stat", name)
	if err != nil {
		return nil, err
	}
	return memInfo{filepath.Base(name), int64(len(node.data)), false}, nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(name string) error {
	name = clean(name)
	if err := m.announce(Op{Kind: OpSyncDir, Name: name}); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.dirs[name]
	if d == nil {
		return &fs.PathError{Op: "syncdir", Path: name, Err: fs.ErrNotExist}
	}
	for _, c := range d.pending {
		for n, node := range c.names {
			set(d.durable, n, node)
		}
	}
	d.pending = nil
	return nil
}

// Free implements FS.
func (m *Mem) Free(string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.limit < 0 {
		return -1
	}
	return max(0, m.limit-m.used)
}

// Total implements FS.
func (m *Mem) Total(string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.limit
}
