package instance

import (
	"context"
	"path/filepath"

	"linkspan/hadr"
	"linkspan/rescue"
	"linkspan/storage"
)

// rescue writes what a database that was outlived has after the fork to a file in the instance's folder, and returns when
// that is durable (hadr.Options.Rescue).
func (in *Instance) rescue(ctx context.Context, db *storage.DB, o hadr.RescueOrder) (hadr.Rescued, error) {
	k := rescue.Keeper{FS: in.opts.FS, Dir: filepath.Join(in.opts.Dir, rescue.Folder)}
	path, s, err := k.Save(ctx, db, rescue.Header{
		Server: in.opts.serverName(), Database: o.Database, Link: o.Link, Fork: o.Fork, Tail: o.Tail,
		TailEpoch: o.TailEpoch, OpenedEpoch: o.OpenedEpoch, Written: in.opts.Clock.Now(),
	})
	if err != nil {
		return hadr.Rescued{}, err
	}
	return hadr.Rescued{File: path, Rows: s.Rows(), Tables: len(s.Tables)}, nil
}
