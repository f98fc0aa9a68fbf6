package demo

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/sqlclient"
	"linkspan/storage"
)

// position is what one side says of its copy.
type position struct {
	lsn, digest string
	pages       int64
}

// positionOf asks a server for the digest it keeps of its own pages, and the LSN it is of.
func positionOf(ctx context.Context, c *sqlclient.Client, database string) (position, error) {
	r, err := c.Query(ctx, "SELECT CONVERT(varchar(30), lsn) AS lsn, digest, pages FROM sys.dm_linkspan_database_digest WHERE database_name = @p1", database)
	if err != nil {
		return position{}, err
	}
	rows := r.First().Rows
	if len(rows) != 1 {
		return position{}, fmt.Errorf("%s shows no digest of database %s", c.Server(), database)
	}
	lsn, ok1 := rows[0][0].(string)
	digest, ok2 := rows[0][1].([]byte)
	pages, ok3 := rows[0][2].(int64)
	if !ok1 || !ok2 || !ok3 {
		return position{}, fmt.Errorf("%s shows the digest in unknown types", c.Server())
	}
	return position{lsn, hex.EncodeToString(digest), pages}, nil
}

// compare waits until both sides are at one LSN and tells what each says there.
func compare(ctx context.Context, source, target *sqlclient.Client, database string) (s, t position, err error) {
	for deadline := clock.System.Now().Add(10 * time.Second); ; {
		if s, err = positionOf(ctx, source, database); err != nil {
			return s, t, err
		}
		if t, err = positionOf(ctx, target, database); err != nil {
			return s, t, err
		}
		if s.lsn == t.lsn {
			return s, t, nil
		}
		if clock.System.Now().After(deadline) {
			return s, t, fmt.Errorf("the copy is at LSN %s and the source at %s, and no nearer after 10 s", t.lsn, s.lsn)
		}
		if err := sleepUntil(ctx, clock.System.Now().Add(20*time.Millisecond)); err != nil {
			return s, t, err
		}
	}
}

// sabotage clones a closed database's folder, flips one byte of a page in the clone, and returns what the check of the
// clone said. It errs when the check finds nothing, or finds something in the untouched clone.
func sabotage(ctx context.Context, dir, clone string) (file string, offset int64, said string, err error) {
	if err := os.CopyFS(clone, os.DirFS(dir)); err != nil {
		return "", 0, "", fmt.Errorf("clone the copy's files: %w", err)
	}
	var out bytes.Buffer
	if err := storage.VerifyDir(ctx, fsx.OS{}, clone, &out, false); err != nil {
		return "", 0, "", fmt.Errorf("the clone is damaged before anything was done to it: %w", err)
	}
	if file, offset, err = flipByte(clone); err != nil {
		return "", 0, "", err
	}
	out.Reset()
	err = storage.VerifyDir(ctx, fsx.OS{}, clone, &out, false)
	if !errors.Is(err, storage.ErrDamaged) {
		return file, offset, out.String(), fmt.Errorf("a flipped byte in %s was not found: %w", file, err)
	}
	return file, offset, strings.Join(findings(out.String()), "; "), nil
}

// findings are the lines of a check that tell of damage, without the padding of a table.
func findings(report string) []string {
	var bad []string
	for line := range strings.Lines(report) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == "BAD" {
			bad = append(bad, strings.Join(fields, " "))
		}
	}
	return bad
}

// flipByte changes one bit in the middle of the largest file that holds pages.
func flipByte(dir string) (name string, offset int64, err error) {
	var size int64
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Base(path) != storage.PagesFile {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, size = path, info.Size()
		return nil
	})
	if err != nil {
		return "", 0, err
	}
	if size == 0 {
		return "", 0, fmt.Errorf("no %s with pages in %s", storage.PagesFile, dir)
	}
	offset = size/storage.PageSize/2*storage.PageSize + 100
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return "", 0, err
	}
	b := make([]byte, 1)
	if _, err = f.ReadAt(b, offset); err == nil || errors.Is(err, io.EOF) {
		b[0] ^= 0x40
		_, err = f.WriteAt(b, offset)
	}
	return name, offset, errors.Join(err, f.Close())
}
