package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/pagelog"
	"linkspan/storage/logvfs"
)

// recordLine is one record as DumpLog shows it.
type recordLine struct {
	Offset   int64        `json:"offset"`
	LSN      string       `json:"lsn"`
	Prev     string       `json:"prev"`
	Hardened string       `json:"hardened"`
	Kind     string       `json:"kind"`
	More     bool         `json:"more,omitempty"`
	Epoch    uint32       `json:"epoch"`
	Length   uint32       `json:"length"`
	Pages    uint32       `json:"pages"`
	Time     string       `json:"time"`
	Digest   string       `json:"digest"`
	Changes  []changeLine `json:"changes,omitempty"`
	Control  uint16       `json:"control,omitempty"`
	Payload  int          `json:"payloadBytes,omitempty"`
}

type changeLine struct {
	Page  uint32 `json:"page"`
	Bytes int    `json:"bytes"`
}

// DumpLog writes the records of the log segment file name as text, or as JSON lines, to w: what `linkspan log dump`
// prints. It works on files of open, closed and damaged databases, and errs with ErrDamaged, after what it could read,
// when something in the file is not as written.
func DumpLog(fsys fsx.FS, name string, w io.Writer, asJSON bool) error {
	f, err := fsys.Open(name)
	if err != nil {
		return fmt.Errorf("dump log: %w", err)
	}
	defer f.Close() //nolint:errcheck // opened for reading
	head := make([]byte, pagelog.SegmentHeaderSize)
	n, _ := f.ReadAt(head, 0)
	h, err := pagelog.ParseSegmentHeader(head[:n])
	if err != nil {
		return fmt.Errorf("dump log: %w: %s: %w", ErrDamaged, name, err)
	}
	if asJSON {
		err = json.NewEncoder(w).Encode(map[string]any{"segment": h.VLF, "database": fmt.Sprintf("%x", h.ID), "after": h.Prev.String(), "version": pagelog.Version})
	} else {
		_, err = fmt.Fprintf(w, "segment %d of database %x, after %s, format version %d\n", h.VLF, h.ID, h.Prev, pagelog.Version)
	}
	if err != nil {
		return err
	}
	start, prev, err := firstRecord(f, h)
	if err != nil {
		return fmt.Errorf("dump log: %s: %w", name, err)
	}
	for sc := pagelog.NewScanner(f, h.VLF, start, prev); ; {
		at := sc.Offset()
		rec, body, _, err := sc.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("dump log: %w: %s: %w", ErrDamaged, name, err)
		}
		if err := dumpRecord(w, at, &rec, body, asJSON); err != nil {
			return err
		}
	}
}

// firstRecord finds where a segment's records start: behind its header, but for the first segment of a seeded copy,
// whose front is blank.
func firstRecord(f io.ReaderAt, h pagelog.SegmentHeader) (int64, lsn.LSN, error) {
	const step = 64 << 10
	buf := make([]byte, step+pagelog.HeaderSize)
	for off := int64(pagelog.SegmentHeaderSize); ; off += step {
		n, err := f.ReadAt(buf, off)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, lsn.Zero, err
		}
		for i := 0; i < min(n, step); i++ {
			if buf[i] == 0 {
				continue
			}
			if off+int64(i) < pagelog.SegmentHeaderSize+4 { // a checksum may begin with zeros
				return pagelog.SegmentHeaderSize, h.Prev, nil
			}
			return seededStart(f, h.VLF, off+int64(i))
		}
		if err != nil {
			return pagelog.SegmentHeaderSize, h.Prev, nil
		}
	}
}

// seededStart finds the record whose first bytes that are not zero are at off.
func seededStart(f io.ReaderAt, vlf uint32, off int64) (int64, lsn.LSN, error) {
	buf := make([]byte, pagelog.MaxRecord)
	for back := int64(0); back < 4; back++ {
		n, err := f.ReadAt(buf, off-back)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, lsn.Zero, err
		}
		if h, _, err := pagelog.Parse(buf[:n]); err == nil && h.LSN.VLF == vlf {
			return off - back, h.Prev, nil
		}
	}
	return 0, lsn.Zero, fmt.Errorf("%w: no record at %d", ErrDamaged, off)
}

func dumpRecord(w io.Writer, at int64, h *pagelog.Header, body []byte, asJSON bool) error {
	l := recordLine{Offset: at, LSN: h.LSN.String(), Prev: h.Prev.String(), Hardened: h.Hardened.String(), More: h.More(), Epoch: h.Epoch,
		Length: h.Length, Pages: h.Pages, Time: time.Unix(0, h.Time).UTC().Format(time.RFC3339Nano), Digest: h.Digest.String()}
	var what []string
	if h.Kind == pagelog.KindControl {
		kind, payload, err := pagelog.ParseControl(body)
		if err != nil {
			return fmt.Errorf("dump log: %w: record %s: %w", ErrDamaged, h.LSN, err)
		}
		l.Kind, l.Control, l.Payload = "control", kind, len(payload)
		what = append(what, fmt.Sprintf("control %d, %d bytes", kind, len(payload)))
	} else {
		l.Kind = "pages"
		c := pagelog.ParseChanges(body)
		for c.Next() {
			l.Changes = append(l.Changes, changeLine{c.Page, c.Size()})
			what = append(what, strconv.Itoa(int(c.Page))+":"+strconv.Itoa(c.Size()))
		}
		if err := c.Err(); err != nil {
			return fmt.Errorf("dump log: %w: record %s: %w", ErrDamaged, h.LSN, err)
		}
	}
	if asJSON {
		return json.NewEncoder(w).Encode(l)
	}
	more := ""
	if l.More {
		more = " more"
	}
	_, err := fmt.Fprintf(w, "%10d %s epoch %d hardened %s length %d size %d digest %s%s [%s]\n", at, l.LSN, l.Epoch, l.Hardened, l.Length, l.Pages, l.Digest, more, strings.Join(what, " "))
	return err
}

// finding is one line of VerifyDir.
type finding struct {
	File   string `json:"file"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// VerifyDir checks every log segment, the page table and the base file of the closed database in dir, and writes what
// it found, as text or JSON lines, to w. It changes nothing. It errs with ErrDamaged when something is bad.
func VerifyDir(ctx context.Context, fsys fsx.FS, dir string, w io.Writer, asJSON bool) error {
	lock, err := fsys.Lock(filepath.Join(dir, lockName))
	if err != nil {
		return fmt.Errorf("verify %s: %w", dir, err)
	}
	defer lock.Close() //nolint:errcheck // held for reading
	v := &dirVerifier{fs: fsys, dir: dir, w: w, json: asJSON}
	if err := v.run(ctx); err != nil {
		return fmt.Errorf("verify %s: %w", dir, err)
	}
	if v.bad > 0 {
		return fmt.Errorf("verify %s: %w: %d findings", dir, ErrDamaged, v.bad)
	}
	return nil
}

type dirVerifier struct {
	fs   fsx.FS
	dir  string
	w    io.Writer
	json bool
	bad  int
}

func (v *dirVerifier) say(file string, bad error, detail string) error {
	f := finding{File: file, OK: bad == nil, Detail: detail}
	if bad != nil {
		v.bad++
		f.Detail = bad.Error()
	}
	if v.json {
		return json.NewEncoder(v.w).Encode(f)
	}
	_, err := fmt.Fprintf(v.w, "%-20s %-4s %s\n", f.File, map[bool]string{true: "ok", false: "BAD"}[f.OK], f.Detail)
	return err
}

func (v *dirVerifier) run(ctx context.Context) error {
	mf, err := openMeta(v.fs, v.dir)
	if err != nil {
		return v.say(metaName, err, "")
	}
	defer mf.f.Close() //nolint:errcheck // opened for reading
	m := mf.cur
	if err := v.say(metaName, nil, fmt.Sprintf("checkpoint %s, %d pages, epoch %d, digest %s", m.at, m.pages, m.epoch, m.digest)); err != nil {
		return err
	}
	if err := v.log(m); err != nil {
		return err
	}
	return v.pages(ctx, m)
}

func (v *dirVerifier) log(m meta) error {
	vlfs, err := listSegments(v.fs, v.dir)
	if err != nil {
		return err
	}
	for _, vlf := range vlfs {
		err := DumpLog(v.fs, filepath.Join(v.dir, segmentName(vlf)), io.Discard, true)
		if err := v.say(segmentName(vlf), err, "every record follows from the one before"); err != nil {
			return err
		}
	}
	tail, err := findTail(v.fs, v.dir, m, readMark(v.fs, v.dir))
	if err != nil {
		return v.say("log", err, "")
	}
	detail := fmt.Sprintf("whole up to %s", tail.last)
	if tail.torn != "" {
		detail += "; an unfinished write follows"
	}
	return v.say("log", nil, detail)
}

// pages reads every page of the base file as the last checkpoint left it, or as the double-write batch will.
func (v *dirVerifier) pages(ctx context.Context, m meta) error {
	base, err := openBase(v.fs, v.dir, false)
	if err != nil {
		return v.say(dataName, err, "")
	}
	defer base.close() //nolint:errcheck // opened for reading
	dw, err := openDoubleWrite(v.fs, v.dir, false)
	if err != nil {
		return v.say(doubleWriteName(0), err, "")
	}
	defer dw.close() //nolint:errcheck // opened for reading
	redone := map[uint32]*logvfs.Page{}
	if b, err := dw.latest(); err != nil {
		return err
	} else if b != nil && b.number > m.batch {
		for _, n := range b.pages {
			redone[n.no] = n.page
		}
		m.digest = b.digest
	}
	base.pages.Store(m.pages)
	size, err := base.table.Size()
	if err != nil {
		return err
	}
	var sum Digest
	before := v.bad
	most := max(int64(m.pages), size/entrySize)
	if m.role == roleSeeding { // what follows is not installed yet
		most = int64(m.nextPage) - 1
	}
	for no := uint32(1); int64(no) <= most; no++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p, ok := redone[no]
		if !ok {
			var bad *BadPage
			if p, bad = base.readDisk(no); bad != nil {
				sum.XOR(bad.Expected)
				if err := v.say(filepath.Base(bad.File), bad, ""); err != nil {
					return err
				}
			}
		}
		if p != nil {
			sum.XOR(p.Hash)
		}
	}
	if sum != m.digest {
		return v.say(tableName, fmt.Errorf("%w: the pages give digest %s, the state says %s", ErrDamaged, sum, m.digest), "")
	}
	if v.bad > before {
		return nil
	}
	return v.say(dataName, nil, fmt.Sprintf("every page has its hash; digest %s", sum))
}
