package device

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// partial ends the name of a file that is being written.
const partial = ".partial"

// diskFile is an open file.
type diskFile struct {
	*os.File
	size int64
}

// Size implements media.File.
func (f *diskFile) Size() int64 { return f.size }

// locate finds the folder that a disk name lies in and the name in it. The root must be closed.
func (d *Devices) locate(n Name) (*os.Root, string, error) {
	refuse := func(why string) (*os.Root, string, error) {
		return nil, "", cannotOpen(n, osErrorOf(errRefused), fmt.Errorf("%w: %s", errRefused, why))
	}
	text := n.Text
	switch {
	case len(d.o.Folders) == 0:
		return refuse("No backup folder is configured")
	case text == "" || strings.ContainsRune(text, 0) || len(text) > 4096:
		return refuse("That is not the name of a file")
	case strings.HasPrefix(text, `\\`) || strings.HasPrefix(text, "//"):
		return refuse("Network paths are not served")
	case len(text) > 1 && text[1] == ':' && filepath.Separator == '/':
		return refuse("It names a drive; this server's folders are " + strings.Join(d.o.Folders, ", "))
	}
	if filepath.Separator == '/' {
		text = strings.ReplaceAll(text, `\`, "/")
	}
	if !filepath.IsAbs(text) {
		text = filepath.Join(d.o.Folders[0], text)
	}
	text = filepath.Clean(text)
	for i, folder := range d.o.Folders {
		rel, err := filepath.Rel(folder, text)
		if err != nil || !filepath.IsLocal(rel) || rel == "." {
			continue
		}
		if i == 0 {
			if err := os.MkdirAll(folder, 0o700); err != nil {
				return nil, "", cannotOpen(n, osErrorOf(err), err)
			}
		}
		root, err := os.OpenRoot(folder)
		if err != nil {
			return nil, "", cannotOpen(n, osErrorOf(err), err)
		}
		return root, rel, nil
	}
	return refuse("It lies outside the backup folders " + strings.Join(d.o.Folders, ", "))
}

// regular refuses links, folders and devices on the way to a file and at its end.
func regular(root *os.Root, name string) error {
	parts := strings.Split(filepath.ToSlash(name), "/")
	for i := range parts {
		p := filepath.Join(parts[:i+1]...)
		info, err := root.Lstat(p)
		if err != nil {
			return err
		}
		switch last := i == len(parts)-1; {
		case info.Mode()&os.ModeSymlink != 0:
			return fmt.Errorf("%w: %s is a link, which is not followed", errRefused, p)
		case !last && !info.IsDir(), last && !info.Mode().IsRegular():
			return fmt.Errorf("%w: %s is not a file in a folder", errRefused, p)
		}
	}
	return nil
}

// absent is regular for a name that need not be there yet.
func absent(root *os.Root, name string) error {
	if err := regular(root, name); err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	dir := filepath.Dir(name)
	if dir == "." {
		return nil
	}
	info, err := root.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%w: %s is not a folder", errRefused, dir)
	}
	return nil
}

// fileWriter writes a file of a root.
type fileWriter struct {
	n    Name
	root *os.Root
	f    *os.File
	// name is the file's when it is whole; while it is written it has temp, or name when it is appended to.
	name, temp string
	// at is where an appended file ended before.
	at   int64
	over bool
	// unsynced are the bytes written since the last sync began; behind is the result of the one that runs, nil when none
	// does.
	unsynced int64
	behind   chan error
}

// syncStep is how much is written before it is synced, while the next as much is written: a file system that has to
// write gigabytes at the end lets everybody's syncs wait meanwhile, those of the databases' logs too.
const syncStep = 16 << 20

func (d *Devices) createFile(n Name) (Writer, error) {
	root, name, err := d.locate(n)
	if err != nil {
		return nil, err
	}
	temp := name + partial
	err = absent(root, name)
	if err == nil {
		err = absent(root, temp)
	}
	var f *os.File
	if err == nil {
		f, err = root.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	}
	if err != nil {
		return nil, errors.Join(cannotOpen(n, osErrorOf(err), err), root.Close())
	}
	return &fileWriter{n: n, root: root, f: f, name: name, temp: temp}, nil
}

func (d *Devices) appendFile(n Name, at int64) (Writer, error) {
	root, name, err := d.locate(n)
	if err != nil {
		return nil, err
	}
	var f *os.File
	if err = regular(root, name); err == nil {
		if f, err = root.OpenFile(name, os.O_RDWR, 0); err == nil {
			_, err = f.Seek(at, io.SeekStart)
		}
	}
	if err != nil {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
		return nil, errors.Join(cannotOpen(n, osErrorOf(err), err), root.Close())
	}
	return &fileWriter{n: n, root: root, f: f, name: name, at: at}, nil
}

// Write implements io.Writer.
func (w *fileWriter) Write(p []byte) (int, error) {
	k, err := w.f.Write(p)
	if err != nil {
		return k, cannotWrite(w.n, err)
	}
	if w.unsynced += int64(k); w.unsynced >= syncStep {
		return k, w.syncBehind()
	}
	return k, nil
}

// syncBehind begins to sync what was written, once the sync before is done.
func (w *fileWriter) syncBehind() error {
	if err := w.caughtUp(); err != nil {
		return cannotWrite(w.n, err)
	}
	w.unsynced = 0
	done := make(chan error, 1)
	w.behind = done
	go func() { done <- w.f.Sync() }() // waited for by caughtUp
	return nil
}

// caughtUp waits for the sync that runs.
func (w *fileWriter) caughtUp() error {
	if w.behind == nil {
		return nil
	}
	err := <-w.behind
	w.behind = nil
	return err
}

// Finish implements Writer.
func (w *fileWriter) Finish() error {
	err := w.caughtUp()
	if err == nil {
		err = w.f.Sync()
	}
	if err != nil {
		return errors.Join(cannotWrite(w.n, err), w.Abandon())
	}
	w.over = true
	err = w.f.Close()
	if err == nil && w.temp != "" {
		if err = w.root.Rename(w.temp, w.name); err == nil {
			err = syncFolder(w.root, filepath.Dir(w.name))
		}
	}
	if err = errors.Join(err, w.root.Close()); err != nil {
		return cannotWrite(w.n, err)
	}
	return nil
}

// Abandon implements Writer.
func (w *fileWriter) Abandon() error {
	if w.over {
		return nil
	}
	w.over = true
	_ = w.caughtUp() // what it synced is thrown away
	var err error
	if w.temp == "" {
		err = errors.Join(w.f.Truncate(w.at), w.f.Sync(), w.f.Close())
	} else {
		err = errors.Join(w.f.Close(), w.root.Remove(w.temp))
	}
	return errors.Join(err, w.root.Close())
}

// syncFolder makes a rename durable.
func syncFolder(root *os.Root, dir string) error {
	f, err := root.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	return errors.Join(err, f.Close())
}
