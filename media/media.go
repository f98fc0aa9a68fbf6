// Package media owns what a place of backup files is: a folder, an SMB share, a blob container. Each kind is a package
// below this one; mediatest holds the behaviour that all of them share.
package media

import (
	"context"
	"errors"
	"io"
	"time"
)

// Entry is one file of a source.
type Entry struct {
	// Name is the file's path inside the source, with slashes.
	Name string
	// Size is in bytes; Modified is the zero time when the source does not tell.
	Size     int64
	Modified time.Time
}

// File is an open file. ReadAt may run concurrently and follows io.ReaderAt.
type File interface {
	io.ReaderAt
	io.Closer
	// Size is the file's size in bytes when it was opened.
	Size() int64
}

// Source is a place of backup files. Its methods may run concurrently. Errors wrap fs.ErrNotExist and fs.ErrPermission
// where that is the cause; they never hold credentials.
type Source interface {
	// List calls fn for every file whose name is prefix or lies in the folder prefix ("" is the whole source), in the
	// order of names. It stops at fn's first error and returns it.
	List(ctx context.Context, prefix string, fn func(Entry) error) error
	// Open opens a file for reading. ctx covers the reads as well where they cross a network.
	Open(ctx context.Context, name string) (File, error)
	// Close gives up connections; open files become useless.
	Close() error
}

// ErrBusy is in the errors of files that cannot be opened because whoever writes them shares them with nobody.
var ErrBusy = errors.New("the program that writes the file holds it open and shares it with nobody")

// Flat is a source whose folders can be looked at one at a time: media/dir and media/smb are.
type Flat interface {
	Source
	// Files gives the files that lie in a folder itself ("" is the whole source's), not those in folders below it, in the
	// order of names. It gives all of them or an error. What is neither file nor folder is passed over.
	Files(ctx context.Context, folder string) ([]Entry, error)
	// Stat gives one file as it is now.
	Stat(ctx context.Context, name string) (Entry, error)
}

// Stamped is a File that knows when what was opened had been changed last.
type Stamped interface {
	File
	// Modified is that time as it was when the file was opened.
	Modified() time.Time
}
