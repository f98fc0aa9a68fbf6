// Package fsx owns the seam to the disk: everything durable is read and written through FS, so that tests can crash
// the machine at any write, tear a sector, fill the disk or fail a sync.
//
// OS is the real thing. Mem keeps files in memory and can be cloned as a crash would leave them (mem.go).
package fsx

import (
	"io"
	"io/fs"
)

// FS is a directory tree. Paths use the operating system's separator and are cleaned by the implementation. Errors are
// those of io/fs (fs.ErrNotExist, fs.ErrExist, …) or the operating system's, wrapped.
type FS interface {
	// Create makes a file for reading and writing and empties one that exists. Its name is durable only after SyncDir.
	Create(name string) (File, error)
	// Open opens a file for reading.
	Open(name string) (File, error)
	// OpenRW opens an existing file for reading and writing.
	OpenRW(name string) (File, error)
	// Remove deletes a file or an empty directory. Durable after SyncDir of its directory.
	Remove(name string) error
	// Rename replaces newname by oldname atomically. Durable after SyncDir; between two directories a loss of power before
	// both are synced may leave both names, or none.
	Rename(oldname, newname string) error
	// MkdirAll makes a directory and its parents, mode 0700.
	MkdirAll(name string) error
	// ReadDir lists a directory's entries, sorted by name.
	ReadDir(name string) ([]fs.DirEntry, error)
	// Stat describes a file.
	Stat(name string) (fs.FileInfo, error)
	// SyncDir makes the names in a directory durable.
	SyncDir(name string) error
	// Lock takes an exclusive lock on a file, made if absent, against other processes and other calls; it is given up
	// by Close and by the end of the process. It fails at once when somebody has it.
	Lock(name string) (io.Closer, error)
	// Free is the number of bytes still free for us where name lies, or a negative number when that is not known.
	Free(name string) int64
	// Total is the size in bytes of the disk where name lies, or a negative number when that is not known.
	Total(name string) int64
}

// File is an open file. ReadAt and WriteAt may run concurrently.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes the data written so far, and the file's size, durable (fdatasync). After an error the file's content
	// is unknown: it MUST NOT be tried again as if nothing had happened.
	Sync() error
	// Truncate sets the size.
	Truncate(size int64) error
	// Size is the current size in bytes.
	Size() (int64, error)
	// Preallocate reserves size bytes of zeros so that later writes inside need no new space. It may do less.
	Preallocate(size int64) error
	// Name is the path the file was opened by.
	Name() string
}
