package storage

import (
	"sync"

	"linkspan/storage/logvfs"
)

// pageCache holds clean pages up to a number of them; which one goes when it is full is decided by a clock hand.
type pageCache struct {
	shard [cacheShards]cacheShard
}

const cacheShards = 16

type cacheShard struct {
	mu    sync.Mutex // protects the rest
	pages map[uint32]*cacheSlot
	ring  []*cacheSlot
	hand  int
	limit int
}

type cacheSlot struct {
	no   uint32
	page *logvfs.Page
	used bool
}

func (c *pageCache) init(bytes int64) {
	for i := range c.shard {
		c.shard[i].pages = map[uint32]*cacheSlot{}
		c.shard[i].limit = max(4, int(bytes/PageSize/cacheShards))
	}
}

func (c *pageCache) get(no uint32) *logvfs.Page {
	s := &c.shard[no%cacheShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.pages[no]; e != nil {
		e.used = true
		return e.page
	}
	return nil
}

func (c *pageCache) put(no uint32, p *logvfs.Page) {
	s := &c.shard[no%cacheShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.pages[no]; e != nil {
		e.page = p
		return
	}
	if len(s.ring) < s.limit {
		e := &cacheSlot{no: no, page: p}
		s.ring = append(s.ring, e)
		s.pages[no] = e
		return
	}
	for s.ring[s.hand].used {
		s.ring[s.hand].used = false
		s.hand = (s.hand + 1) % len(s.ring)
	}
	e := s.ring[s.hand]
	s.hand = (s.hand + 1) % len(s.ring)
	delete(s.pages, e.no)
	e.no, e.page = no, p
	s.pages[no] = e
}
