package instance

import (
	"context"
	"fmt"
	"path/filepath"

	"linkspan/hadr"
	"linkspan/rescue"
	"linkspan/storage"
)

// rescue writes what a database that was outlived has after the fork, or beside the new primary, to a file in the
// instance's folder, and returns when that is durable (hadr.Options.Rescue).
func (in *Instance) rescue(ctx context.Context, db *storage.DB, o hadr.RescueOrder) (hadr.Rescued, error) {
	k := rescue.Keeper{FS: in.opts.FS, Dir: filepath.Join(in.opts.Dir, rescue.Folder)}
	h := rescue.Header{
		Server: in.opts.serverName(), Database: o.Database, Link: o.Link, Fork: o.Fork, Tail: o.Tail,
		TailEpoch: o.TailEpoch, OpenedEpoch: o.OpenedEpoch, Written: in.opts.Clock.Now(),
	}
	path, s, err := save(ctx, k, db, h, &o)
	if err != nil {
		return hadr.Rescued{}, err
	}
	return hadr.Rescued{File: path, Rows: s.Rows(), Tables: len(s.Tables), Partial: o.Other != nil}, nil
}

// save compares by the log, or with the other side's version.
func save(ctx context.Context, k rescue.Keeper, db *storage.DB, h rescue.Header, o *hadr.RescueOrder) (string, rescue.Summary, error) {
	if o.Other == nil {
		return k.Save(ctx, db, h)
	}
	h.Against = fmt.Sprintf("the new primary as it was at LSN %s in epoch %d, because the log here no longer reached back to where the two went apart", o.OtherAt, o.OpenedEpoch)
	tail, err := db.ReaderAt(ctx, o.Tail)
	if err != nil {
		return "", rescue.Summary{}, err
	}
	defer tail.Release()
	return k.SaveBetween(ctx, o.Other, tail, h)
}
