package depot

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/media/azblob"
)

// Options say where. Exactly one of Folder and Blob.Container is set.
type Options struct {
	// Folder is a local folder, absolute, that exists.
	Folder string
	// Blob is a container and who asks. Its Folder is not used; its Retries are set by New.
	Blob azblob.Options
	// Prefix is the folder in it for one activity; "" is the place itself. Names that the Log Replay Service refuses are
	// replaced by ones that it takes: see Location.
	Prefix string
	// Limit is the bandwidth of all copies together; nil is none.
	Limit *Limit
	// FS is the disk of Folder, default the machine's; Clock the time, default the product's.
	FS    fsx.FS
	Clock clock.Clock
}

// Depot is one activity's storage. Its methods may run concurrently; they return *flow.Hindrance for what may work again and
// *flow.Halt for what stays as it is until somebody acts, without credentials.
type Depot struct {
	o     Options
	store store
}

// store is a kind of storage. folder and stored are names that Folder and Name made.
type store interface {
	put(ctx context.Context, folder, stored string, offset int64, p []byte) error
	seal(ctx context.Context, folder, stored string, size int64) error
	discard(ctx context.Context, folder, stored string) error
	location(folder string) string
	probe(ctx context.Context) error
}

// New makes a depot; nothing is asked of the storage yet.
func New(o Options) (*Depot, error) {
	if o.FS == nil {
		o.FS = fsx.OS{}
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	var prefix []string
	for _, w := range strings.FieldsFunc(o.Prefix, func(r rune) bool { return r == '/' || r == '\\' }) {
		prefix = append(prefix, Folder(w))
	}
	d := &Depot{o: o}
	switch {
	case (o.Folder == "") == (o.Blob.Container == ""):
		return nil, errors.New("open storage: it is either a folder or a container")
	case o.Folder != "" && !filepath.IsAbs(o.Folder):
		return nil, fmt.Errorf("open storage: %q is not an absolute folder", o.Folder)
	case o.Folder != "":
		d.store = newFolder(o.FS, filepath.Clean(o.Folder), prefix, o.Limit)
	default:
		c, err := newContainer(o, prefix)
		if err != nil {
			return nil, fmt.Errorf("open storage: %w", err)
		}
		d.store = c
	}
	return d, nil
}

// Put brings the bytes p of a file to offset. It returns when they are there to stay. The same again is success and brings
// nothing; other bytes at the same offset take the place of the earlier ones. Blocks of one file may come at once and in any
// order, but MUST NOT overlap; p is not changed and not kept.
func (d *Depot) Put(ctx context.Context, database, stored string, offset int64, p []byte) error {
	if err := check(stored); err != nil || len(p) == 0 {
		return err
	}
	return d.store.put(ctx, Folder(database), stored, offset, p)
}

// Seal makes the blocks one file of size bytes that can be read under its name, after comparing it with what Put was given.
// The same again is success. When bytes are missing, or are not as they came, the error is an *Incomplete (errors.Is
// ErrIncomplete): Put what it names, and Seal again.
func (d *Depot) Seal(ctx context.Context, database, stored string, size int64) error {
	if err := check(stored); err != nil {
		return err
	}
	return d.store.seal(ctx, Folder(database), stored, size)
}

// Discard removes what was put of a file that was not sealed and is no longer wanted; a sealed one stays. What is not there
// is success.
func (d *Depot) Discard(ctx context.Context, database, stored string) error {
	if err := check(stored); err != nil {
		return err
	}
	return d.store.discard(ctx, Folder(database), stored)
}

// Location is where the target finds the files of a database, and no others: file:///… or https://…, without credentials.
func (d *Depot) Location(database string) string { return d.store.location(Folder(database)) }

// Probe finds what would stand in the way before anything is brought: whether the storage is reached, the credential is valid
// and may do what is needed, the names are those that the target takes, and a disk has room. It leaves nothing behind: in a
// folder it writes and removes one file of its own, in a container it brings one block that is never committed.
func (d *Depot) Probe(ctx context.Context) error { return d.store.probe(ctx) }
