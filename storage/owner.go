package storage

import (
	"context"
	"errors"
	"fmt"

	"linkspan/storage/btree"
)

// PageError is an ErrDamaged that one page caused.
type PageError struct {
	Page uint32
	text string
}

// Error implements error.
func (e *PageError) Error() string { return fmt.Sprintf("%v: page %s", ErrDamaged, e.text) }

// Unwrap gives ErrDamaged.
func (e *PageError) Unwrap() error { return ErrDamaged }

// PageOwners tells to which table or index pages belong, by the row store's own names, as of the published version. It
// walks the b-trees: the pages above the leaves as a rule, the whole database when one of the pages may be an overflow
// page; so call it beside what must go on, and bound it by ctx. It works on a database that has stopped, and goes around
// pages that are damaged. Where ctx or the version's end cuts it short, its error comes with what was found until then.
func (db *DB) PageOwners(ctx context.Context, pages []uint32) (map[uint32]btree.Owner, error) {
	v := db.pin(false)
	defer db.vers.unpin(v)
	var lost error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	found, err := btree.Find(ctx, v.Pages, func(no uint32) ([]byte, error) {
		p, err := db.pageOf(v, no)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				lost = err
				cancel()
			}
			return nil, err
		}
		if p == nil {
			return nil, nil
		}
		return p.Data[:], nil
	}, pages)
	if lost != nil {
		err = lost
	}
	return found, db.wrap("find the owners of pages of", err)
}
