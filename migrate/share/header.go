package share

import (
	"errors"
	"io"
	"io/fs"
	"strings"

	"linkspan/bak"
	"linkspan/media"
	"linkspan/migrate/flow"
)

// What a file's header may cost: far more than SQL Server writes for a database of ten thousand files.
var limits = bak.Options{MaxConfig: 32 << 20, MaxBlocks: 4 << 20}

// verdict is what was found out about a file.
type verdict uint8

const (
	// whole: complete by its own trailer.
	whole verdict = iota
	// unfinished: it ends before the backup in it does. Time may mend it.
	unfinished
	// held: its writer shares it with nobody.
	held
	// barred: we may not read it, or cannot.
	barred
	// useless: no backup that can be read, to the end of its days.
	useless
)

// described is what a file's headers say.
type described struct {
	verdict verdict
	// problem is why it cannot be used as it is; "" for whole ones that can.
	problem           string
	sets              []flow.Set
	sequence, stripes int
}

// describe reads the headers of an open file of size bytes. The error is the place's. A large compressed file is read at
// its two ends; walk allows one that is larger than large to read it as a whole when those do not tell.
func describe(r io.ReaderAt, size, large int64, walk bool) (described, error) {
	if size == 0 {
		return described{verdict: unfinished, problem: "it is empty"}, nil
	}
	m, err := bak.ReadEnds(r, size, limits)
	if errors.Is(err, bak.ErrEnds) {
		a := &ahead{r: r, size: size}
		var c *bak.Content
		if !walk && size > large && compressed(a) {
			return described{verdict: unfinished, problem: notYet}, nil
		}
		if c, err = bak.OpenContent(a, size, limits); err == nil {
			m, err = bak.ReadMedia(c, limits)
		}
	}
	if err != nil {
		return faulty(err)
	}
	d := described{sequence: m.Family.Sequence, stripes: m.Family.Count}
	for _, s := range m.Sets {
		d.sets = append(d.sets, setOf(&s.Header, m.Family.Count))
		if p := unusable(&s.Header); p != "" && d.problem == "" {
			d.problem = p
		}
	}
	return d, nil
}

const notYet = "the backup in it is not complete: it does not end as one does"

// compressed reports whether r begins as a compressed backup. What cannot be read is told by who reads next.
func compressed(r io.ReaderAt) bool {
	head := make([]byte, 8)
	n, _ := r.ReadAt(head, 0)
	return string(head[:n]) == "MSSQLBAK"
}

// faulty says what a fault means for a file. An error that is no fault is the place's.
func faulty(err error) (described, error) {
	f := bak.AsFault(err)
	if f == nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return described{verdict: unfinished, problem: "it became shorter while it was read"}, nil
		}
		return described{}, err
	}
	switch f.Kind {
	case bak.Truncated, bak.HalfWritten:
		return described{verdict: unfinished, problem: "the backup in it is not complete: " + f.Error()}, nil
	case bak.NotABackup:
		if strings.Contains(f.Got, "zeros") {
			return described{verdict: unfinished, problem: "nothing was written into it yet: " + f.Error()}, nil
		}
		return described{verdict: useless, problem: "it is no backup of SQL Server's: " + f.Error()}, nil
	case bak.Damaged:
		return described{verdict: useless, problem: "it is damaged: " + f.Error()}, nil
	default:
		return described{verdict: useless, problem: "it cannot be taken: " + f.Error()}, nil
	}
}

// unusable says why no target restores a set, whole as it is.
func unusable(h *bak.Header) string {
	switch {
	case !h.Final:
		return "it is damaged: the header at its end, which has the final LSNs, is missing"
	case h.Flags&bak.FlagSnapshot != 0:
		return "it is a snapshot backup, whose data is not in the file: take a backup without SNAPSHOT"
	case h.Flags&bak.FlagDamaged != 0:
		return "it was taken of a damaged database (WITH CONTINUE_AFTER_ERROR): repair the database (DBCC CHECKDB) and take another"
	case h.SetGUID.IsZero():
		return "its header holds no id of the backup set"
	default:
		return ""
	}
}

// kinds are the kinds of sets; the last four are named for the message that refuses them.
var kinds = map[bak.Type]flow.Kind{bak.Full: flow.Full, bak.Differential: flow.Differential, bak.Log: flow.Log,
	bak.FileFull: "file", bak.FileDifferential: "file differential", bak.Partial: "partial", bak.PartialDiff: "partial differential"}

// setOf is a header as the flow of a migration knows it. Dates are the source's wall clock.
func setOf(h *bak.Header, stripes int) flow.Set {
	kind, ok := kinds[h.Type]
	if !ok {
		kind = "unknown"
	}
	s := flow.Set{ID: h.SetGUID.String(), Kind: kind, Database: h.Database, First: h.FirstLSN, Last: h.LastLSN, Fork: h.RecoveryForkID.String(),
		Checksum: h.HasChecksums(), Tail: h.Flags&bak.FlagTailNoRecover != 0, Stripes: max(stripes, 1), Finished: h.Finished}
	if !h.DifferentialBaseGUID.IsZero() && h.Type == bak.Differential {
		s.Base = h.DifferentialBaseGUID.String()
	}
	if !h.FirstForkID.IsZero() && h.FirstForkID != h.RecoveryForkID {
		s.FirstFork, s.ForkPoint = h.FirstForkID.String(), h.ForkPoint
	}
	return s
}

// ahead reads more than it is asked for: headers lie close together, and a share is far away. For one reader.
type ahead struct {
	r    io.ReaderAt
	size int64
	at   int64
	have []byte
}

const window = 64 << 10

// ReadAt implements io.ReaderAt within the size that the file had.
func (a *ahead) ReadAt(p []byte, off int64) (int, error) {
	if off >= a.size {
		return 0, io.EOF
	}
	if len(p) >= window {
		return a.r.ReadAt(p, off)
	}
	if off < a.at || off+int64(len(p)) > a.at+int64(len(a.have)) {
		b := make([]byte, min(window, a.size-off))
		n, err := a.r.ReadAt(b, off)
		if n < min(len(p), len(b)) {
			a.have = nil
			return copy(p, b[:n]), err
		}
		a.at, a.have = off, b[:n]
	}
	n := copy(p, a.have[off-a.at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// judged says what an error of opening or reading means for one file of a place that goes on.
func judged(err error) described {
	switch {
	case errors.Is(err, media.ErrBusy):
		return described{verdict: held, problem: err.Error()}
	case errors.Is(err, fs.ErrPermission):
		return described{verdict: barred, problem: "it may not be read: " + err.Error()}
	default:
		return described{verdict: barred, problem: "it cannot be read: " + err.Error()}
	}
}
