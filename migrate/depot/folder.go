package depot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"github.com/zeebo/xxh3"

	"linkspan/internal/fsx"
	"linkspan/migrate/flow"
)

const (
	// incoming is the folder of files that are not sealed, beside those of the databases: targets do not look there.
	incoming     = ".incoming"
	partEnd      = ".part"
	journalEnd   = ".blocks"
	probeFile    = ".linkspan-probe"
	leastFree    = 64 << 20
	readBackSize = 1 << 20
)

// folder is the storage in a local folder.
type folder struct {
	disk  fsx.FS
	root  string // what the user named
	base  string // with the activity's folder
	limit *Limit

	mu    sync.Mutex // protects files
	files map[string]*part
}

// part is a file that is being brought.
type part struct {
	mu   sync.Mutex // protects what follows, and is held while the journal is written and while the file is sealed
	open bool       // the journal was read, and the files are there
	done bool       // it was sealed
	have map[int64]block
	end  int64
}

func newFolder(disk fsx.FS, root string, prefix []string, l *Limit) *folder {
	return &folder{disk: disk, root: root, base: filepath.Join(append([]string{root}, prefix...)...), limit: l, files: map[string]*part{}}
}

func (f *folder) location(folder string) string {
	path := filepath.ToSlash(filepath.Join(f.base, folder))
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive's letter
	}
	return "file://" + path
}

// paths are those of a file: while it is brought, its journal, and sealed.
func (f *folder) paths(folder, stored string) (part, journal, sealed string) {
	at := filepath.Join(f.base, incoming, folder, stored)
	return at + partEnd, at + journalEnd, filepath.Join(f.base, folder, stored)
}

func (f *folder) part(folder, stored string) *part {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := folder + "/" + stored
	if f.files[key] == nil {
		f.files[key] = &part{}
	}
	return f.files[key]
}

func (f *folder) forget(folder, stored string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.files, folder+"/"+stored)
}

func (f *folder) trouble(ctx context.Context, path string, err error) error {
	return diskTrouble(ctx, f.root, path, f.disk.Free(f.root), err)
}

func (f *folder) put(ctx context.Context, folder, stored string, offset int64, p []byte) error {
	b := block{offset, int64(len(p)), xxh3.Hash128(p).Bytes()}
	at, journal, _ := f.paths(folder, stored)
	q := f.part(folder, stored)
	there, err := f.begin(q, folder, stored, b)
	if err != nil || there {
		return f.wrap(ctx, at, err)
	}
	if err := f.write(ctx, at, b, p); err != nil {
		return f.wrap(ctx, at, err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	end, err := appendJournal(f.disk, journal, q.end, b)
	if err != nil {
		return f.wrap(ctx, at, err)
	}
	q.end = end
	q.have[b.offset] = b
	return nil
}

func (f *folder) wrap(ctx context.Context, path string, err error) error {
	if err == nil {
		return nil
	}
	return f.trouble(ctx, path, err)
}

// begin makes the file ready, once, and reports whether the block is there already; of a sealed file every block is.
func (f *folder) begin(q *part, folder, stored string, b block) (there bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.open {
		if err := f.prepare(q, folder, stored); err != nil {
			return false, err
		}
	}
	return q.done || q.have[b.offset] == b, nil
}

// prepare makes the folders and the file, whose names are on disk then, and reads the journal. It needs the part's mu.
func (f *folder) prepare(q *part, folder, stored string) error {
	at, journal, sealed := f.paths(folder, stored)
	if _, err := f.disk.Stat(f.root); err != nil {
		return err // a disk that is not mounted is not made a folder of
	}
	if _, err := f.disk.Stat(sealed); err == nil {
		q.open, q.done = true, true
		return nil
	}
	dir := filepath.Dir(at)
	if err := f.disk.MkdirAll(dir); err != nil {
		return err
	}
	if err := f.leftovers(dir, stored); err != nil {
		return err
	}
	have, end, err := readJournal(f.disk, journal)
	if err != nil {
		return err
	}
	for _, name := range []string{at, journal} {
		x, err := openOrCreate(f.disk, name)
		if err != nil {
			return err
		}
		if err := x.Close(); err != nil {
			return err
		}
	}
	for d := dir; len(d) >= len(f.root); d = filepath.Dir(d) {
		if err := f.disk.SyncDir(d); err != nil {
			return err
		}
	}
	q.have, q.end, q.open = have, end, true
	return nil
}

// leftovers removes parts of other versions of the file.
func (f *folder) leftovers(dir, stored string) error {
	entries, err := f.disk.ReadDir(dir)
	if err != nil {
		return err
	}
	_, own, _ := split(stored)
	for _, e := range entries {
		name, isPart := strings.CutSuffix(e.Name(), partEnd)
		if !isPart {
			if name, isPart = strings.CutSuffix(e.Name(), journalEnd); !isPart {
				continue
			}
		}
		if _, stripe, ok := split(name); !ok || stripe != own || name == stored {
			continue
		}
		if err := f.disk.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// write brings the bytes to disk.
func (f *folder) write(ctx context.Context, at string, b block, p []byte) (err error) {
	x, err := f.disk.OpenRW(at)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	for done := 0; done < len(p); {
		n := len(p) - done
		if f.limit != nil {
			n = min(n, sip)
		}
		if err := f.limit.wait(ctx, min(n, sip)); err != nil {
			return err
		}
		if _, err := x.WriteAt(p[done:done+n], b.offset+int64(done)); err != nil {
			return err
		}
		done += n
	}
	return x.Sync()
}

func (f *folder) seal(ctx context.Context, folder, stored string, size int64) error {
	at, journal, sealed := f.paths(folder, stored)
	q := f.part(folder, stored)
	q.mu.Lock()
	defer q.mu.Unlock()
	info, err := f.disk.Stat(sealed)
	switch {
	case err == nil && info.Size() == size && info.Mode().IsRegular():
		f.forget(folder, stored)
		return f.wrap(ctx, at, f.remove(at, journal))
	case err == nil:
		return &flow.Halt{What: fmt.Sprintf("%s lies in the storage folder and was not brought by this migration", sealed), Fix: "move it away; it is neither overwritten nor deleted"}
	case !errors.Is(err, fs.ErrNotExist):
		return f.trouble(ctx, sealed, err)
	}
	if !q.open {
		if err := f.prepare(q, folder, stored); err != nil {
			return f.trouble(ctx, at, err)
		}
	}
	if err := f.verify(ctx, q, at, journal, stored, size); err != nil {
		if errors.Is(err, ErrIncomplete) {
			return err
		}
		return f.trouble(ctx, at, err)
	}
	if err := f.publish(at, journal, sealed); err != nil {
		return f.trouble(ctx, sealed, err)
	}
	f.forget(folder, stored)
	return nil
}

// verify reads the file back and compares it, block by block, with what Put was given. It needs the part's mu.
func (f *folder) verify(ctx context.Context, q *part, at, journal, stored string, size int64) error {
	var have []block
	for _, b := range q.have {
		have = append(have, b)
	}
	chain, err := tile(stored, have, func(block) bool { return true }, size)
	if err != nil {
		return err
	}
	x, err := f.disk.OpenRW(at)
	if err != nil {
		return err
	}
	defer x.Close() //nolint:errcheck // synced
	buf := make([]byte, readBackSize)
	for _, b := range chain {
		h := xxh3.New128()
		n, err := io.CopyBuffer(struct{ io.Writer }{h}, io.NewSectionReader(x, b.offset, b.length), buf)
		if err != nil {
			return err
		}
		if n == b.length && h.Sum128().Bytes() == b.sum {
			if err := ctx.Err(); err != nil {
				return err
			}
			continue
		}
		delete(q.have, b.offset)
		if q.end, err = appendJournal(f.disk, journal, q.end, block{offset: b.offset}); err != nil {
			return err
		}
		return &Incomplete{stored, b.offset, b.offset + b.length}
	}
	if long, err := x.Size(); err != nil || long > size {
		return errors.Join(err, x.Truncate(size), x.Sync())
	}
	return x.Sync()
}

// publish gives the file its name, to stay.
func (f *folder) publish(at, journal, sealed string) error {
	if err := f.disk.MkdirAll(filepath.Dir(sealed)); err != nil {
		return err
	}
	if err := f.disk.Rename(at, sealed); err != nil {
		return err
	}
	for _, d := range []string{filepath.Dir(sealed), filepath.Dir(filepath.Dir(sealed)), filepath.Dir(at)} {
		if err := f.disk.SyncDir(d); err != nil {
			return err
		}
	}
	return f.remove(journal)
}

func (f *folder) remove(names ...string) error {
	for _, name := range names {
		if err := f.disk.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (f *folder) discard(ctx context.Context, folder, stored string) error {
	at, journal, _ := f.paths(folder, stored)
	q := f.part(folder, stored)
	q.mu.Lock()
	defer q.mu.Unlock()
	f.forget(folder, stored)
	return f.wrap(ctx, at, f.remove(at, journal))
}

func (f *folder) probe(ctx context.Context) error {
	info, err := f.disk.Stat(f.root)
	if err != nil {
		return f.trouble(ctx, f.root, err)
	}
	if !info.IsDir() {
		return &flow.Halt{What: fmt.Sprintf("storage.folder %s is a file", f.root), Fix: "name a folder"}
	}
	if free := f.disk.Free(f.root); free >= 0 && free < leastFree {
		return hinder(ctx, fmt.Sprintf("the disk of the storage folder %s has %d MiB free", f.root, free>>20), "make room for all backups that are to be restored", nil)
	}
	name := filepath.Join(f.root, probeFile)
	x, err := f.disk.Create(name)
	if err != nil {
		return f.trouble(ctx, name, err)
	}
	_, err = x.WriteAt([]byte("probe"), 0)
	err = errors.Join(err, x.Sync(), x.Close(), f.disk.Remove(name))
	return f.wrap(ctx, name, err)
}
