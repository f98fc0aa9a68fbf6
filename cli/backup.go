package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"linkspan/bak"
	"linkspan/internal/fsx"
	"linkspan/media"
	"linkspan/media/dir"
)

func newBackupCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "backup",
		Short: "Read, verify and plan with SQL Server's backup files, without SQL Server",
		Long: `Read SQL Server's own backup files without SQL Server: their headers, whether they are sound, whether they
form a chain and how far it restores, and the tables inside them.

A PATH is a file, a folder (with everything below it), a pattern such as 'backups/*.trn', a share
(smb://server/share/folder) or a blob container (https://account.blob.core.windows.net/container/folder).`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newBackupInspectCommand(), newBackupVerifyCommand(), newBackupChainCommand(),
		newBackupTablesCommand(), newBackupExportCommand())
	return c
}

// backupFile is one file that the arguments name.
type backupFile struct {
	// name is how the file is shown; in the source src it is called entry.Name.
	name  string
	src   media.Source
	entry media.Entry
	// named is true when an argument names the file itself: then it must be a backup. In a folder it may be anything.
	named bool
}

// openedBackup is an open file with what its headers say. err is why the headers could not be read to their end; media
// is nil when nothing could be read.
type openedBackup struct {
	backupFile
	file    media.File
	content *bak.Content
	media   *bak.Media
	err     error
}

// closeSources closes every source once.
func closeSources(files []backupFile) {
	seen := map[media.Source]bool{}
	for _, f := range files {
		if !seen[f.src] {
			seen[f.src] = true
			f.src.Close()
		}
	}
}

// findBackups lists the files that paths name, in order and without repetitions.
func findBackups(ctx context.Context, paths []string) ([]backupFile, error) {
	var files []backupFile
	for _, p := range paths {
		found, err := findBackup(ctx, p)
		if err != nil {
			return files, err
		}
		if len(found) == 0 {
			return files, usageError(fmt.Errorf("%s: no files there", p))
		}
		files = append(files, found...)
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(files, func(f backupFile) bool {
		again := seen[f.name]
		seen[f.name] = true
		return again
	}), nil
}

func findBackup(ctx context.Context, p string) ([]backupFile, error) {
	if src, prefix, shown, err := openSource(ctx, p); err != nil {
		return nil, err
	} else if src != nil {
		return listSource(ctx, src, prefix, shown)
	}
	if strings.ContainsAny(p, "*?[") {
		if _, err := (fsx.OS{}).Stat(p); errors.Is(err, fs.ErrNotExist) {
			return globBackups(p)
		}
	}
	info, err := (fsx.OS{}).Stat(p)
	if err != nil {
		return nil, usageError(fmt.Errorf("read %s: %w", p, err))
	}
	if !info.IsDir() {
		src := dir.New(fsx.OS{}, filepath.Dir(p))
		return []backupFile{{name: p, src: src, entry: media.Entry{Name: filepath.Base(p), Size: info.Size()}, named: true}}, nil
	}
	return listSource(ctx, dir.New(fsx.OS{}, p), "", strings.TrimRight(p, `/\`)+"/")
}

// listSource lists what lies under prefix; shown is put before the names.
func listSource(ctx context.Context, src media.Source, prefix, shown string) ([]backupFile, error) {
	var files []backupFile
	err := src.List(ctx, prefix, func(e media.Entry) error {
		files = append(files, backupFile{name: shown + e.Name, src: src, entry: e, named: e.Name == prefix})
		return nil
	})
	return files, err
}

// globBackups expands a pattern in the last element of a path.
func globBackups(p string) ([]backupFile, error) {
	folder, pattern := filepath.Split(p)
	src := dir.New(fsx.OS{}, filepath.Clean("./"+folder))
	if filepath.IsAbs(folder) {
		src = dir.New(fsx.OS{}, filepath.Clean(folder))
	}
	entries, err := (fsx.OS{}).ReadDir(filepath.Clean(folder))
	if err != nil {
		return nil, usageError(fmt.Errorf("read %s: %w", p, err))
	}
	var files []backupFile
	for _, e := range entries {
		if ok, err := path.Match(pattern, e.Name()); err != nil {
			return nil, usageError(fmt.Errorf("pattern %s: %w", p, err))
		} else if !ok || e.IsDir() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		files = append(files, backupFile{name: folder + e.Name(), src: src, entry: media.Entry{Name: e.Name(), Size: info.Size()}, named: true})
	}
	return files, nil
}

// openBackup opens one file and reads its headers.
func openBackup(ctx context.Context, f backupFile) openedBackup {
	o := openedBackup{backupFile: f}
	o.file, o.err = f.src.Open(ctx, f.entry.Name)
	if o.err != nil {
		return o
	}
	o.content, o.err = bak.OpenContent(o.file, o.file.Size(), bak.Options{})
	if o.err == nil {
		o.media, o.err = bak.ReadMedia(o.content, bak.Options{})
	}
	return o
}

func (o *openedBackup) close() {
	if o.file != nil {
		o.file.Close()
		o.file, o.content = nil, nil
	}
}

// foreign reports whether the file is no backup and was only found in a folder, so that it is passed over.
func (o *openedBackup) foreign() bool { return !o.named && bak.IsKind(o.err, bak.NotABackup) }

// readHeaders reads the headers of all files, on all cores, and closes them.
func readHeaders(ctx context.Context, files []backupFile, p *progress) ([]openedBackup, error) {
	opened := make([]openedBackup, len(files))
	p.start("reading headers", int64(len(files)))
	defer p.done()
	err := onAllCores(ctx, len(files), func(i int) error {
		opened[i] = openBackup(ctx, files[i])
		opened[i].close()
		p.add(1)
		return nil
	})
	return opened, err
}

// onAllCores calls fn(0) … fn(n-1), as many at a time as there are cores, and gives the first error.
func onAllCores(ctx context.Context, n int, fn func(i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := range next {
				if err := fn(i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range n {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}
