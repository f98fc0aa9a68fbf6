package rescue

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/storage"
)

// Folder is the name, in an instance's folder, of the one that holds its rescue files.
const Folder = "rescue"

// Database is what Save reads; *storage.DB is one.
type Database interface {
	// ReaderAt borrows a connection that sees the version of an LSN.
	ReaderAt(ctx context.Context, at lsn.LSN) (*storage.Conn, error)
}

// Keeper makes rescue files in one folder.
type Keeper struct {
	// FS is the disk; nil means the operating system's. Dir is made when it is not there.
	FS  fsx.FS
	Dir string
}

// Save writes the file with what db has after h.Fork up to h.Tail, and returns its path when it is durable: file, name and folder.
// It MUST be called BEFORE the tail is taken back. h.Written, in the file's name, is set by the caller.
func (k Keeper) Save(ctx context.Context, db Database, h Header) (path string, s Summary, err error) {
	forkConn, err := db.ReaderAt(ctx, h.Fork)
	if err != nil {
		return "", s, fmt.Errorf("rescue %s: read the fork: %w", h.Database, err)
	}
	defer forkConn.Release()
	tailConn, err := db.ReaderAt(ctx, h.Tail) // not Reader: what is appended and not yet published is lost as well
	if err != nil {
		return "", s, fmt.Errorf("rescue %s: read the tail: %w", h.Database, err)
	}
	defer tailConn.Release()
	return k.SaveBetween(ctx, forkConn, tailConn, h)
}

// SaveBetween is Save over two connections that the caller borrowed, and releases.
func (k Keeper) SaveBetween(ctx context.Context, forkConn, tailConn *storage.Conn, h Header) (path string, s Summary, err error) {
	fork, err := Pin(forkConn)
	if err != nil {
		return "", s, fmt.Errorf("rescue %s: read the fork: %w", h.Database, err)
	}
	tail, err := Pin(tailConn)
	if err != nil {
		return "", s, fmt.Errorf("rescue %s: read the tail: %w", h.Database, err)
	}
	path, err = k.write(h, func(w *bufio.Writer) (err error) {
		s, err = Write(ctx, w, h, fork, tail)
		return err
	})
	if err != nil {
		return "", s, fmt.Errorf("rescue %s: %w", h.Database, err)
	}
	return path, s, nil
}

// write makes a file durable under its name, which nobody has yet.
func (k Keeper) write(h Header, fill func(*bufio.Writer) error) (path string, err error) {
	disk := k.FS
	if disk == nil {
		disk = fsx.OS{}
	}
	if err := disk.MkdirAll(k.Dir); err != nil {
		return "", err
	}
	if err := disk.SyncDir(filepath.Dir(k.Dir)); err != nil {
		return "", err
	}
	if path, err = freeName(disk, k.Dir, h); err != nil {
		return "", err
	}
	part := path + ".part"
	f, err := disk.Create(part)
	if err != nil {
		return "", err
	}
	w := bufio.NewWriterSize(&sequel{file: f}, 256<<10)
	if err = fill(w); err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = disk.Remove(part) // it is of no use
		return "", err
	}
	if err := disk.Rename(part, path); err != nil {
		return "", err
	}
	return path, disk.SyncDir(k.Dir)
}

// freeName is <database>-<fork>-<time>.rescue, with a number when that is taken.
func freeName(disk fsx.FS, dir string, h Header) (string, error) {
	base := fileName(h.Database) + "-" + strings.ReplaceAll(h.Fork.String(), ":", "-") + "-" + h.Written.UTC().Format("20060102T150405")
	for n := 1; ; n++ {
		name := base
		if n > 1 {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		path := filepath.Join(dir, name+".rescue")
		if _, err := disk.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return path, nil
		} else if err != nil {
			return "", err
		}
	}
}

// maxName bounds the database's part of a file's name.
const maxName = 60

// fileName keeps of a database's name what every file system takes.
func fileName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, s)
	return s[:min(len(s), maxName)]
}

// sequel writes one piece after the other.
type sequel struct {
	file fsx.File
	at   int64
}

// Write implements io.Writer.
func (s *sequel) Write(b []byte) (int, error) {
	n, err := s.file.WriteAt(b, s.at)
	s.at += int64(n)
	return n, err
}
