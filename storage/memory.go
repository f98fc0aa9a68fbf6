package storage

import (
	"sync"
	"sync/atomic"
)

// Memory is the bytes that the databases of one instance hold in memory together. Each kind of use has its part, and
// what is done when the part is used up differs: a cached page makes room for another, changed pages are written by a
// checkpoint, and the oldest reader of old versions gets error 3966 rather than the server running out. Safe for
// concurrent use; a Memory is never closed.
type Memory struct {
	o     MemoryOptions
	cache pageCache
	// changed and versions are the bytes in use.
	changed, versions atomic.Int64
	victims           atomic.Int64

	mu    sync.Mutex // protects the rest
	dbs   map[*DB]bool
	owner uint32
}

// MemoryOptions are the parts of a Memory, in bytes.
type MemoryOptions struct {
	// CacheBytes bounds the cache of pages read from base files.
	CacheBytes int64
	// ChangedBytes is the size of all changed pages together at which the database with most of them makes a
	// checkpoint; writers wait for it at twice that.
	ChangedBytes int64
	// VersionBytes bounds the pages that only readers of older versions still need.
	VersionBytes int64
	// ReaderCache and WriterCache bound what one SQLite connection caches for itself.
	ReaderCache, WriterCache int64
}

// MemoryStats are present figures, in bytes but for Victims, which counts the readers that were given up since the start.
type MemoryStats struct {
	CacheUsed, CacheLimit       int64
	ChangedUsed, ChangedLimit   int64
	VersionsUsed, VersionsLimit int64
	Victims                     int64
}

const (
	mib = 1 << 20
	// pageCost is what one page takes with what belongs to it.
	pageCost = 9600
	// MinMemory is the least that SplitMemory shares out.
	MinMemory = 16 * mib
)

// SplitMemory shares a budget of bytes, at least MinMemory, out: half to the cache, an eighth to changed pages (and as
// much again until writers wait), an eighth to old versions, and the rest to connections.
func SplitMemory(bytes int64) MemoryOptions {
	bytes = max(bytes, MinMemory)
	return MemoryOptions{CacheBytes: bytes / 2, ChangedBytes: bytes / 8, VersionBytes: bytes / 8,
		ReaderCache: min(4*mib, max(mib/4, bytes/256)), WriterCache: min(32*mib, max(mib, bytes/32))}
}

// NewMemory returns an empty Memory for Options.Memory of each database of an instance.
func NewMemory(o MemoryOptions) *Memory {
	m := &Memory{o: o, dbs: map[*DB]bool{}}
	m.cache.init(o.CacheBytes)
	return m
}

// Stats returns present figures.
func (m *Memory) Stats() MemoryStats {
	return MemoryStats{CacheUsed: m.cache.pages.Load() * pageCost, CacheLimit: m.o.CacheBytes, ChangedUsed: m.changed.Load(), ChangedLimit: m.o.ChangedBytes,
		VersionsUsed: m.versions.Load(), VersionsLimit: m.o.VersionBytes, Victims: m.victims.Load()}
}

// join adds a database and returns the number its pages are cached under.
func (m *Memory) join(db *DB) uint32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dbs[db] = true
	m.owner++
	return m.owner
}

// leave forgets all that is held for a database.
func (m *Memory) leave(db *DB) {
	m.mu.Lock()
	delete(m.dbs, db)
	m.mu.Unlock()
	db.noteChanged(0)
	db.vers.clear()
	m.cache.drop(db.owner)
}

func (m *Memory) members() []*DB {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]*DB, 0, len(m.dbs))
	for db := range m.dbs {
		all = append(all, db)
	}
	return all
}

// noteChanged takes down how many bytes of changed pages the newest version holds.
func (db *DB) noteChanged(bytes int64) { db.mem.changed.Add(bytes - db.changed.Swap(bytes)) }

// crowded has the database with the most changed pages make a checkpoint, when all together have too many.
func (m *Memory) crowded() {
	if m.changed.Load() < m.o.ChangedBytes {
		return
	}
	var most *DB
	for _, db := range m.members() {
		if most == nil || most.changed.Load() < db.changed.Load() {
			most = db
		}
	}
	if most != nil {
		most.wantCheckpoint()
	}
}

// relieve gives up the oldest readers of the database that holds most old pages, until what is held fits.
func (m *Memory) relieve() {
	for m.versions.Load() > m.o.VersionBytes {
		var most *DB
		for _, db := range m.members() {
			if most == nil || most.vers.bytes() < db.vers.bytes() {
				most = db
			}
		}
		if most == nil || !most.giveUpOldest() {
			return
		}
	}
}

// giveUpOldest ends the oldest version that is pinned and not the newest; false when there is none.
func (db *DB) giveUpOldest() bool {
	v, held := db.vers.expire(db.Published())
	if v == nil {
		return false
	}
	db.mem.victims.Add(1)
	db.event(Event{Kind: EventVersionLost, LSN: v.LSN, Used: held, Limit: db.mem.o.VersionBytes, Since: v.Time})
	return true
}
