package hadr_test

import (
	"context"
	"maps"
	"sync"
)

// documents are a store that outlives restarts.
type documents struct {
	mu sync.Mutex
	m  map[string]map[string][]byte
	// power, when set, may be lost: then nothing is stored any more.
	power *power
}

// source is the power, or nil.
func (d *documents) source() *power {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.power
}

// clone is a copy of what is stored.
func (d *documents) clone() *documents {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := &documents{m: map[string]map[string][]byte{}}
	for kind, docs := range d.m {
		c.m[kind] = maps.Clone(docs)
	}
	return c
}

func (d *documents) Load(_ context.Context, kind string) (map[string][]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.m[kind]), nil
}

func (d *documents) Put(_ context.Context, kind, name string, doc []byte) error {
	if p := d.source(); p != nil {
		if err := p.step(); err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.m[kind] == nil {
		d.m[kind] = map[string][]byte{}
	}
	d.m[kind][name] = doc
	return nil
}

func (d *documents) Delete(_ context.Context, kind, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.m[kind], name)
	return nil
}
