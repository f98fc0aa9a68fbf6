package depot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"path"
	"strings"
	"sync"

	"linkspan/internal/clock"
	"linkspan/media/azblob"
	"linkspan/migrate/flow"
)

const (
	// requestRetries is how often a request is made again before it is a hindrance; who called comes back.
	requestRetries = 2
	// corruptRetries is how often a block is brought again that arrived as another.
	corruptRetries = 3
)

// container is the storage in a blob container.
type container struct {
	o       azblob.Options
	src     *azblob.Source
	sas     signature
	clock   clock.Clock
	limit   *Limit
	address string // the container's, without a slash at its end
	prefix  string

	mu    sync.Mutex // protects files
	files map[string]*blobFile
}

// blobFile is what is known of a blob that is being brought.
type blobFile struct {
	mu     sync.Mutex // protects what follows, and is held while the list is read
	listed bool
	have   map[block]bool // true: put by this process
}

func newContainer(o Options, prefix []string) (*container, error) {
	b := o.Blob
	b.SAS, b.Folder, b.Container, b.Retries = strings.TrimPrefix(b.SAS, "?"), "", strings.TrimRight(b.Container, "/"), requestRetries
	src, err := azblob.New(b)
	if err != nil {
		return nil, err
	}
	return &container{o: b, src: src, sas: readSignature(b.SAS), clock: o.Clock, limit: o.Limit, address: b.Container,
		prefix: strings.Join(prefix, "/"), files: map[string]*blobFile{}}, nil
}

// name and account are the container's name and its account's.
func (c *container) name() string { return path.Base(c.address) }

func (c *container) account() string {
	u, err := url.Parse(c.address)
	if err != nil {
		return ""
	}
	if net.ParseIP(u.Hostname()) != nil || u.Hostname() == "localhost" {
		account, _, _ := strings.Cut(strings.Trim(u.Path, "/"), "/") // an emulator's
		return account
	}
	account, _, _ := strings.Cut(u.Hostname(), ".")
	return account
}

func (c *container) location(folder string) string {
	return c.address + "/" + path.Join(c.prefix, folder)
}

func (c *container) blob(folder, stored string) (*azblob.Blocks, *blobFile) {
	name := path.Join(c.prefix, folder, stored)
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.files[name]
	if f == nil {
		f = &blobFile{have: map[block]bool{}}
		c.files[name] = f
	}
	return c.src.Blocks(name), f
}

func (c *container) forget(folder, stored string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.files, path.Join(c.prefix, folder, stored))
}

func (c *container) put(ctx context.Context, folder, stored string, offset int64, p []byte) error {
	b := blockOf(offset, p)
	blocks, f := c.blob(folder, stored)
	there, n, err := f.holds(ctx, blocks, b)
	switch {
	case err != nil:
		return c.trouble(ctx, err)
	case there:
		return nil
	case n >= azblob.MaxBlocks || b.length > azblob.MaxBlockBytes:
		return &flow.Halt{What: fmt.Sprintf("%s has more than %d blocks, the most that a blob holds, or one of more than %d MiB", stored, azblob.MaxBlocks, azblob.MaxBlockBytes>>20),
			Fix: "set settings.blockMiB higher, or back the database up to several files; what was brought of it is brought again"}
	}
	for try := 1; ; try++ {
		err = blocks.Stage(ctx, b.id(), c.limit.reader(ctx, p), b.sum)
		a := new(azblob.Answer)
		switch {
		case err == nil:
			f.mu.Lock()
			f.have[b] = true
			f.mu.Unlock()
			return nil
		case !errors.As(err, &a) || a.Status != 400 || a.Code != "Md5Mismatch" && a.Code != "InvalidOperation":
			return c.trouble(ctx, err)
		case try == corruptRetries:
			return hinder(ctx, fmt.Sprintf("bytes were changed on the way to the storage: %d times a block arrived as another than was sent", try),
				"check what lies between (a proxy, a network card); it is tried again", err)
		}
	}
}

// holds reports whether the service has the block, and how many it has; the list is asked for once.
func (f *blobFile) holds(ctx context.Context, blocks *azblob.Blocks, b block) (there bool, n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.listed {
		if err := f.list(ctx, blocks); err != nil {
			return false, 0, err
		}
	}
	if _, there = f.have[b]; there {
		f.have[b] = true // it is what the source has now
	}
	return there, len(f.have), nil
}

// list reads what the service has. It needs mu.
func (f *blobFile) list(ctx context.Context, blocks *azblob.Blocks) error {
	committed, waiting, err := blocks.List(ctx)
	if err == nil {
		f.take(append(committed, waiting...))
	}
	return err
}

// take notes what the service has, and gives those that are ours. It needs mu.
func (f *blobFile) take(blocks []azblob.Block) []block {
	have, all := map[block]bool{}, []block(nil)
	for _, x := range blocks {
		if b, ok := parseID(x.ID); ok && b.length == x.Size {
			have[b] = f.have[b]
			all = append(all, b)
		}
	}
	f.have, f.listed = have, true
	return all
}

func (c *container) seal(ctx context.Context, folder, stored string, size int64) error {
	blocks, f := c.blob(folder, stored)
	f.mu.Lock()
	defer f.mu.Unlock()
	committed, waiting, err := blocks.List(ctx)
	if err != nil {
		return c.trouble(ctx, err)
	}
	if len(committed) == 0 {
		err := f.commit(ctx, blocks, stored, f.take(waiting), size)
		switch {
		case errors.Is(err, ErrIncomplete):
			return err
		case err != nil && !errors.Is(err, fs.ErrExist): // that one is looked at as one of an earlier run
			return c.trouble(ctx, err)
		}
		if committed, _, err = blocks.List(ctx); err != nil {
			return c.trouble(ctx, err)
		}
	}
	length, err := blocks.Size(ctx)
	if err != nil {
		return c.trouble(ctx, err)
	}
	if !whole(committed, size) || length != size {
		return &flow.Halt{What: fmt.Sprintf("a blob %s lies in the container that was not brought by this migration", path.Join(c.prefix, folder, stored)),
			Fix: "move it away; it is neither overwritten nor deleted"}
	}
	c.forget(folder, stored)
	return nil
}

// commit makes the blocks that wait one blob. It needs mu.
func (f *blobFile) commit(ctx context.Context, blocks *azblob.Blocks, stored string, waiting []block, size int64) error {
	chain, err := tile(stored, waiting, func(b block) bool { return f.have[b] }, size)
	if err != nil {
		return err
	}
	ids := make([]string, len(chain))
	for i, b := range chain {
		ids[i] = b.id()
	}
	return blocks.Commit(ctx, ids)
}

// whole reports whether the committed blocks are ours and make a file of size bytes.
func whole(committed []azblob.Block, size int64) bool {
	next := int64(0)
	for _, x := range committed {
		b, ok := parseID(x.ID)
		if !ok || b.offset != next || b.length != x.Size {
			return false
		}
		next += b.length
	}
	return next == size
}

// discard has nothing to do: the service forgets blocks that are not committed.
func (c *container) discard(_ context.Context, folder, stored string) error {
	c.forget(folder, stored)
	return nil
}

// probeName is the blob of which the probe brings a block; it is never committed.
const probeName = ".linkspan-probe"

func (c *container) probe(ctx context.Context) error {
	for _, w := range []string{"backup", "backups"} {
		if strings.EqualFold(c.name(), w) {
			return &flow.Halt{What: fmt.Sprintf("the container is called %q, which the Log Replay Service refuses", c.name()), Fix: "make one of another name"}
		}
	}
	if wrong := c.sas.wrong(c.clock); wrong != "" {
		return hinder(ctx, wrong, makeSAS, nil)
	}
	if err := c.src.Reach(ctx); err != nil {
		return c.trouble(ctx, err)
	}
	blocks := c.src.Blocks(path.Join(c.prefix, probeName))
	p := []byte("probe")
	b := blockOf(0, p)
	if err := blocks.Stage(ctx, b.id(), c.limit.reader(ctx, p), b.sum); err != nil {
		return c.trouble(ctx, err)
	}
	if _, _, err := blocks.List(ctx); err != nil {
		return c.trouble(ctx, err)
	}
	return nil
}
