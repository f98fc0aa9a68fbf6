package storage

import (
	"sync"
	"sync/atomic"

	"linkspan/storage/logvfs"
)

// pageCache holds clean pages of several databases up to a number of them; which one goes when it is full is decided by
// a clock hand.
type pageCache struct {
	shard [cacheShards]cacheShard
	pages atomic.Int64
}

const cacheShards = 16

// cacheKey is a page of one database: its owner's number above the page's.
type cacheKey uint64

func keyOf(owner, no uint32) cacheKey { return cacheKey(owner)<<32 | cacheKey(no) }

func (k cacheKey) shard() int { return int((uint32(k) + uint32(k>>32)) % cacheShards) }

type cacheShard struct {
	mu    sync.Mutex // protects the rest
	slots map[cacheKey]*cacheSlot
	ring  []*cacheSlot
	hand  int
	limit int
}

type cacheSlot struct {
	key  cacheKey
	page *logvfs.Page
	used bool
}

func (c *pageCache) init(bytes int64) {
	for i := range c.shard {
		c.shard[i].slots = map[cacheKey]*cacheSlot{}
		c.shard[i].limit = max(4, int(bytes/pageCost/cacheShards))
	}
}

func (c *pageCache) get(k cacheKey) *logvfs.Page {
	s := &c.shard[k.shard()]
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.slots[k]; e != nil {
		e.used = true
		return e.page
	}
	return nil
}

func (c *pageCache) put(k cacheKey, p *logvfs.Page) {
	s := &c.shard[k.shard()]
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.slots[k]; e != nil {
		e.page = p
		return
	}
	if len(s.ring) < s.limit {
		e := &cacheSlot{key: k, page: p}
		s.ring = append(s.ring, e)
		s.slots[k] = e
		c.pages.Add(1)
		return
	}
	for s.ring[s.hand].used {
		s.ring[s.hand].used = false
		s.hand = (s.hand + 1) % len(s.ring)
	}
	e := s.ring[s.hand]
	s.hand = (s.hand + 1) % len(s.ring)
	delete(s.slots, e.key)
	e.key, e.page = k, p
	s.slots[k] = e
}

// drop forgets one database's pages.
func (c *pageCache) drop(owner uint32) {
	for i := range c.shard {
		s := &c.shard[i]
		s.mu.Lock()
		kept := s.ring[:0]
		for _, e := range s.ring {
			if uint32(e.key>>32) == owner {
				delete(s.slots, e.key)
			} else {
				kept = append(kept, e)
			}
		}
		c.pages.Add(int64(len(kept) - len(s.ring)))
		clear(s.ring[len(kept):])
		s.ring, s.hand = kept, 0
		s.mu.Unlock()
	}
}
