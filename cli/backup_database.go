package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"linkspan/bak"
	"linkspan/bak/chain"
	"linkspan/bak/mdf"
	"linkspan/media"
)

// databaseFlags choose the database and the point in time that tables and export read.
type databaseFlags struct {
	stopAt, database string
}

func (f *databaseFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.stopAt, "stop-at", "", "use only backups that end at this time or before, on the server's clock")
	c.Flags().StringVar(&f.database, "database", "", "the database to read, when the files hold several")
}

// readDatabase is a database opened from files; close gives the files up.
type readDatabase struct {
	*mdf.Database
	// from lists the files read; asOf is when the newest of them ended, zero for data files.
	from []string
	asOf time.Time
	// logs is the number of log backups among the files that were not replayed.
	logs  int
	files []media.File
	found []backupFile
}

func (d *readDatabase) close() {
	for _, f := range d.files {
		f.Close()
	}
	closeSources(d.found)
}

// label says what the rows are.
func (d *readDatabase) label() string {
	if d.asOf.IsZero() {
		return "pages as they lie in the data files, log not replayed"
	}
	s := fmt.Sprintf("%s, which ended at %s", mdf.Label, d.asOf.Format("2006-01-02 15:04:05"))
	if d.logs > 0 {
		s += fmt.Sprintf(" (%d log backups among the files are not used)", d.logs)
	}
	return s
}

// openDatabase opens the database that the files hold: from the newest full backup and the newest differential on it, or
// from data files.
func openDatabase(ctx context.Context, paths []string, flags databaseFlags, p *progress) (*readDatabase, error) {
	stop, err := parseStop(flags.stopAt)
	if err != nil {
		return nil, err
	}
	d := &readDatabase{}
	if d.found, err = findBackups(ctx, paths); err != nil {
		d.close()
		return nil, err
	}
	opened, err := readHeaders(ctx, d.found, p)
	if err == nil {
		err = d.load(ctx, opened, chain.Options{StopAt: stop, Database: flags.database}, p)
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *readDatabase) load(ctx context.Context, opened []openedBackup, o chain.Options, p *progress) error {
	pages := mdf.NewPages()
	var items []chain.Item
	var bad []error
	byName := map[string]*openedBackup{}
	dataFiles := 0
	for i := range opened {
		f := &opened[i]
		byName[f.name] = f
		switch {
		case f.media != nil && len(f.media.Sets) > 0:
			items = append(items, chain.Items(f.name, f.media, f.err)...)
		case bak.IsKind(f.err, bak.NotABackup) && isDataFile(f.name):
			dataFiles++
			if err := d.addDataFile(ctx, pages, f); err != nil {
				return err
			}
		case !f.foreign():
			bad = append(bad, fmt.Errorf("%s: %w", f.name, f.err))
		}
	}
	options := mdf.Options{}
	if dataFiles == 0 {
		sets, err := chooseBase(items, o, bad)
		if err != nil {
			return err
		}
		options.CodePage = mdf.CodePageOf(uint32(sets[0].Header.Collation))
		if err := d.addSets(ctx, pages, sets, byName, p); err != nil {
			return err
		}
		d.countLogs(items, sets[0].Header)
	}
	var err error
	if d.Database, err = mdf.Open(pages, options); err != nil {
		return fmt.Errorf("open the database in %s: %w", strings.Join(d.from, ", "), err)
	}
	return nil
}

func isDataFile(name string) bool {
	low := strings.ToLower(name)
	return strings.HasSuffix(low, ".mdf") || strings.HasSuffix(low, ".ndf")
}

func (d *readDatabase) addDataFile(ctx context.Context, pages *mdf.Pages, f *openedBackup) error {
	file, err := f.src.Open(ctx, f.entry.Name)
	if err != nil {
		return err
	}
	d.files, d.from = append(d.files, file), append(d.from, f.name)
	if err := pages.AddFile(file, file.Size()); err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	return nil
}

// chooseBase finds the one database that is meant and the sets to read its pages from.
func chooseBase(items []chain.Item, o chain.Options, bad []error) ([]*chain.Set, error) {
	r := chain.Find(items, o)
	var lives []*chain.Life
	var names []string
	for _, l := range r.Lives {
		if l.Current {
			lives = append(lives, l)
			names = append(names, l.Database+" on "+l.Server)
		}
	}
	switch {
	case len(lives) == 0 && len(bad) > 0:
		return nil, errors.Join(bad...)
	case len(lives) == 0:
		return nil, refusedError(fmt.Errorf("no backup sets found%s", ofDatabase(o.Database)))
	case len(lives) > 1:
		return nil, usageError(fmt.Errorf("the files hold several databases: %s; choose one with --database, or name fewer files", strings.Join(names, ", ")))
	case len(lives[0].Base) == 0:
		why := lives[0].Broken
		if why == "" {
			why = "there is no full backup"
		}
		return nil, refusedError(fmt.Errorf("the tables of %s cannot be read: %s", names[0], why))
	}
	return lives[0].Base, nil
}

// addSets lays the pages of the sets over one another.
func (d *readDatabase) addSets(ctx context.Context, pages *mdf.Pages, sets []*chain.Set, byName map[string]*openedBackup, p *progress) error {
	for _, s := range sets {
		d.asOf = s.Header.Finished
		p.start("finding pages", int64(len(s.Parts)))
		for _, part := range s.Parts {
			f := openBackup(ctx, byName[part.File].backupFile)
			if f.err != nil && f.media == nil {
				return fmt.Errorf("%s: %w", part.File, f.err)
			}
			d.files, d.from = append(d.files, f.file), append(d.from, part.File)
			for _, set := range f.media.Sets {
				if set.Position == part.Position {
					if err := pages.AddBackup(f.content, set); err != nil {
						return fmt.Errorf("%s: %w", part.File, err)
					}
				}
			}
			p.add(1)
		}
		p.done()
	}
	return nil
}

// countLogs counts the log backups of the same database.
func (d *readDatabase) countLogs(items []chain.Item, h *bak.Header) {
	for _, it := range items {
		if it.Header.Type == bak.Log && it.Header.RecoveryForkID == h.RecoveryForkID && it.Family.Sequence == 1 {
			d.logs++
		}
	}
}
