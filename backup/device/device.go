package device

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"linkspan/media"
	"linkspan/sqlerr"
)

// Options say what devices there are.
type Options struct {
	// Folders are those that DISK may name files in, absolute; names that are not absolute are files of the first. None
	// means that DISK is refused. A folder is made when the first file is written into it.
	Folders []string
	// Credential gives the shared access signature for a container's URL, without a leading question mark; false when
	// there is none. nil means that URL is refused.
	Credential func(container string) (sas string, ok bool)
	// Client makes the requests for blobs; nil means the default.
	Client *http.Client
}

// Kind tells devices apart.
type Kind uint8

// The kinds.
const (
	Disk Kind = iota + 1
	URL
)

// Name is a device as a statement names it.
type Name struct {
	Kind Kind
	Text string
}

// IsNull reports whether n is the device that keeps nothing.
func (n Name) IsNull() bool {
	return n.Kind == Disk && (strings.EqualFold(n.Text, "NUL") || n.Text == "/dev/null")
}

// Devices opens devices. Safe for concurrent use.
type Devices struct {
	o Options

	mu      sync.Mutex
	writing map[string]bool // the names being written, in this process
}

// New makes the devices.
func New(o Options) (*Devices, error) {
	for _, f := range o.Folders {
		if !filepath.IsAbs(f) {
			return nil, fmt.Errorf("backup folder %q is not an absolute path", f)
		}
	}
	return &Devices{o: o, writing: map[string]bool{}}, nil
}

// Writer takes a backup file. Finish makes it durable and gives it its name; Abandon leaves what was there before, and
// does nothing after Finish. One of the two MUST be called. For one goroutine.
type Writer interface {
	io.Writer
	Finish() error
	Abandon() error
}

// Open opens a device for reading. 3201 when there is none.
func (d *Devices) Open(ctx context.Context, n Name) (media.File, error) {
	switch {
	case n.IsNull():
		return nil, cannotOpen(n, osError{38, "Reached the end of the file."}, nil)
	case n.Kind == URL:
		return d.openBlob(ctx, n)
	}
	root, name, err := d.locate(n)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // files outlive their root
	if err := regular(root, name); err != nil {
		return nil, cannotOpen(n, osErrorOf(err), err)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, cannotOpen(n, osErrorOf(err), err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(cannotOpen(n, osErrorOf(err), err), f.Close())
	}
	return &diskFile{f, info.Size()}, nil
}

// Exists reports whether there is a file or blob, which Open then reads.
func (d *Devices) Exists(ctx context.Context, n Name) (bool, error) {
	if n.IsNull() {
		return false, nil
	}
	f, err := d.Open(ctx, n)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, f.Close()
}

// Create begins a new file, which takes the place of one of that name when it is finished. The caller MUST have made
// sure that what it replaces is a backup.
func (d *Devices) Create(ctx context.Context, n Name) (Writer, error) {
	if n.IsNull() {
		return nullWriter{}, nil
	}
	done, err := d.claim(n)
	if err != nil {
		return nil, err
	}
	var w Writer
	if n.Kind == URL {
		w, err = d.createBlob(ctx, n)
	} else {
		w, err = d.createFile(n)
	}
	if err != nil {
		done()
		return nil, err
	}
	return &claimed{w, done}, nil
}

// Append continues an existing disk file at its end, which must be at offset at: what Abandon goes back to.
func (d *Devices) Append(_ context.Context, n Name, at int64) (Writer, error) {
	if n.IsNull() {
		return nullWriter{}, nil
	}
	if n.Kind == URL {
		return nil, sqlerr.New(3271, n.Text, "a blob is not appended to; back up WITH FORMAT, or to another name")
	}
	done, err := d.claim(n)
	if err != nil {
		return nil, err
	}
	w, err := d.appendFile(n, at)
	if err != nil {
		done()
		return nil, err
	}
	return &claimed{w, done}, nil
}

// claim keeps a second writer off a name.
func (d *Devices) claim(n Name) (func(), error) {
	key := fmt.Sprint(n.Kind, strings.ToLower(n.Text))
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.writing[key] {
		return nil, cannotOpen(n, osError{32, "The process cannot access the file because it is being used by another process."}, nil)
	}
	d.writing[key] = true
	var once sync.Once
	return func() {
		once.Do(func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			delete(d.writing, key)
		})
	}, nil
}

// claimed gives the name up with the writer.
type claimed struct {
	Writer
	done func()
}

func (c *claimed) Finish() error  { defer c.done(); return c.Writer.Finish() }
func (c *claimed) Abandon() error { defer c.done(); return c.Writer.Abandon() }

// nullWriter is NUL.
type nullWriter struct{}

func (nullWriter) Write(p []byte) (int, error) { return len(p), nil }
func (nullWriter) Finish() error               { return nil }
func (nullWriter) Abandon() error              { return nil }
