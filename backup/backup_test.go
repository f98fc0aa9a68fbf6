package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"linkspan/backup"
	"linkspan/bak"
	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// medium is a media set in memory with one backup set in it.
type medium struct {
	stripes []*bytes.Buffer
	set     bak.GUID
	kind    bak.Type
}

var setID = bak.GUID{1, 2, 3}

// taken writes a backup set by way of the container, as BACKUP does.
func taken(t *testing.T, stripes int, kind bak.Type, write func(backup.Target) (*backup.Result, error)) (*medium, *backup.Result) {
	t.Helper()
	m := &medium{set: setID, kind: kind}
	var ws []io.Writer
	for range stripes {
		b := new(bytes.Buffer)
		m.stripes, ws = append(m.stripes, b), append(ws, b)
	}
	w, err := bak.NewWriter(ws, bak.MediaSpec{MediaSet: bak.GUID{9}})
	if err != nil {
		t.Fatal(err)
	}
	h := bak.Header{SetGUID: m.set, Type: kind, Database: "d", Flags: bak.FlagAlways | bak.FlagChecksums}
	if err := w.Begin(h, nil); err != nil {
		t.Fatal(err)
	}
	r, err := write(backup.Target{Sink: w, Stripes: stripes, Set: m.set})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.End(h, nil); err != nil {
		t.Fatal(err)
	}
	return m, r
}

func (m *medium) reader(t *testing.T) *backup.Reader {
	t.Helper()
	r, err := m.open()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (m *medium) open() (*backup.Reader, error) {
	var stripes []backup.Stripe
	for _, b := range m.stripes {
		c, err := bak.OpenContent(bytes.NewReader(b.Bytes()), int64(b.Len()), bak.Options{})
		if err != nil {
			return nil, err
		}
		media, err := bak.ReadMedia(c, bak.Options{})
		if err != nil {
			return nil, err
		}
		stripes = append(stripes, backup.Stripe{Data: c.Payload(media.Sets[0], false), Log: c.Payload(media.Sets[0], true)})
	}
	return backup.NewReader(stripes, m.set, m.kind)
}

func create(t *testing.T, o storage.Options) *storage.DB {
	t.Helper()
	db, err := storage.Create(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, db)
	return db
}

func closeLater(t *testing.T, db *storage.DB) {
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

func exec(ctx context.Context, db *storage.DB, sql ...string) (lsn.LSN, error) {
	w, err := db.Writer(ctx)
	if err != nil {
		return lsn.Zero, err
	}
	defer w.Rollback()
	for _, s := range sql {
		if err := w.Exec(s); err != nil {
			return lsn.Zero, fmt.Errorf("%s: %w", s, err)
		}
	}
	at, err := w.Commit(ctx)
	if err != nil {
		return lsn.Zero, err
	}
	return at, db.WaitHardened(ctx, at)
}

func must(t *testing.T, db *storage.DB, sql ...string) lsn.LSN {
	t.Helper()
	at, err := exec(t.Context(), db, sql...)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func one(t *testing.T, db *storage.DB, sql string) string {
	t.Helper()
	c, err := db.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	s, err := c.Stmt(sql)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Step() {
		t.Fatalf("%s: no row: %v", sql, s.Err())
	}
	v := s.ColumnText(0)
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	return v
}

// equal fails unless the copy is what the database is, by its own pages.
func equal(t *testing.T, db, restored *storage.DB) {
	t.Helper()
	at, want := db.Digest()
	rat, got := restored.Digest()
	if at != rat || want != got {
		t.Fatalf("restored %s at %s, the database has %s at %s", got, rat, want, at)
	}
	r, err := restored.Verify(t.Context(), nil)
	if err != nil || !r.OK() || r.Digest != want {
		t.Fatalf("verify of what was restored: %+v, %v", r, err)
	}
}

func restore(t *testing.T, fs fsx.FS, m *medium) *storage.DB {
	t.Helper()
	db, _, err := backup.RestoreFull(t.Context(), storage.Options{FS: fs, Dir: "/restored", Name: "r"}, m.reader(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, db)
	return db
}

func TestFullIsTheDatabaseAgain(t *testing.T) {
	t.Parallel()
	for _, stripes := range []int{1, 3} {
		t.Run(fmt.Sprint(stripes), func(t *testing.T) {
			t.Parallel()
			fs := fsx.NewMem()
			db := create(t, storage.Options{FS: fs, Dir: "/db", Name: "d"})
			must(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<3000) INSERT INTO t SELECT i, hex(randomblob(1000)) FROM n")
			m, r := taken(t, stripes, bak.Full, func(to backup.Target) (*backup.Result, error) {
				return backup.WriteFull(t.Context(), db, to)
			})
			if r.End.Pages != uint64(db.Stats().Pages) {
				t.Errorf("%d pages in the backup of %d", r.End.Pages, db.Stats().Pages)
			}
			equal(t, db, restore(t, fs, m))
		})
	}
}

// busy is a sink that lets the database be written between the frames of a backup.
type busy struct {
	backup.Sink
	work func()
}

func (b busy) Data(stripe int, p []byte) error {
	b.work()
	return b.Sink.Data(stripe, p)
}

func TestFullWhileTheDatabaseIsWritten(t *testing.T) {
	t.Parallel()
	fs := fsx.NewMem()
	db := create(t, storage.Options{FS: fs, Dir: "/db", Name: "d", CheckpointBytes: 1 << 20})
	must(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<4000) INSERT INTO t SELECT i, hex(randomblob(1500)) FROM n")
	round := 0
	m, r := taken(t, 2, bak.Full, func(to backup.Target) (*backup.Result, error) {
		to.Sink = busy{to.Sink, func() {
			round++
			must(t, db, fmt.Sprintf("UPDATE t SET b = hex(randomblob(1400)) WHERE a %% 97 = %d", round%97), fmt.Sprintf("INSERT INTO t VALUES (%d, 'x')", 100000+round))
		}}
		return backup.WriteFull(t.Context(), db, to)
	})
	if r.End.LogBytes == 0 {
		t.Fatal("the backup has no log, although the database was written meanwhile")
	}
	after := must(t, db, "INSERT INTO t VALUES (999999, 'after')")
	restored := restore(t, fs, m)
	if n := one(t, restored, "SELECT count(*) FROM t WHERE a = 999999"); n != "0" {
		t.Error("a row written after the backup is in it")
	}
	logs, _ := taken(t, 2, bak.Log, func(to backup.Target) (*backup.Result, error) {
		return backup.WriteLog(t.Context(), db, r.End.Last, after, to)
	})
	if _, err := backup.RestoreLog(t.Context(), restored, logs.reader(t), backup.Stop{}); err != nil {
		t.Fatal(err)
	}
	equal(t, db, restored)
}

func TestLogStopsAtATime(t *testing.T) {
	t.Parallel()
	fs, c := fsx.NewMem(), clock.NewManual(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	db := create(t, storage.Options{FS: fs, Dir: "/db", Name: "d", Clock: c})
	must(t, db, "CREATE TABLE t(a)")
	full, r := taken(t, 1, bak.Full, func(to backup.Target) (*backup.Result, error) { return backup.WriteFull(t.Context(), db, to) })
	var at lsn.LSN
	var marks []lsn.LSN
	for i := range 5 {
		c.Advance(time.Minute)
		at = must(t, db, fmt.Sprintf("INSERT INTO t VALUES (%d)", i))
		marks = append(marks, at)
	}
	logs, _ := taken(t, 1, bak.Log, func(to backup.Target) (*backup.Result, error) {
		return backup.WriteLog(t.Context(), db, r.End.Last, at, to)
	})
	restored := restore(t, fs, full)
	stop := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(3*time.Minute + 30*time.Second)
	got, err := backup.RestoreLog(t.Context(), restored, logs.reader(t), backup.Stop{At: stop})
	if err != nil || !got.Stopped {
		t.Fatalf("%+v, %v", got, err)
	}
	if n := one(t, restored, "SELECT max(a) FROM t"); n != "2" {
		t.Errorf("last row %s, want 2", n)
	}
	third, err := backup.RestoreLog(t.Context(), restored, logs.reader(t), backup.Stop{LSN: marks[3], Before: true})
	if err != nil || !third.Stopped || one(t, restored, "SELECT max(a) FROM t") != "2" {
		t.Errorf("before LSN %s: %+v, %v", marks[3], third, err)
	}
	third, err = backup.RestoreLog(t.Context(), restored, logs.reader(t), backup.Stop{LSN: marks[3]})
	if err != nil || third.At != marks[3] || one(t, restored, "SELECT max(a) FROM t") != "3" {
		t.Errorf("up to LSN %s: %+v, %v", marks[3], third, err)
	}
	if _, err := backup.RestoreLog(t.Context(), restored, logs.reader(t), backup.Stop{}); err != nil {
		t.Fatal(err)
	}
	equal(t, db, restored)
}

func TestGapsAndStrangersAreRefused(t *testing.T) {
	t.Parallel()
	fs := fsx.NewMem()
	db := create(t, storage.Options{FS: fs, Dir: "/db", Name: "d"})
	must(t, db, "CREATE TABLE t(a)")
	full, _ := taken(t, 1, bak.Full, func(to backup.Target) (*backup.Result, error) { return backup.WriteFull(t.Context(), db, to) })
	first := must(t, db, "INSERT INTO t VALUES (1)")
	second := must(t, db, "INSERT INTO t VALUES (2)")
	late, _ := taken(t, 1, bak.Log, func(to backup.Target) (*backup.Result, error) {
		return backup.WriteLog(t.Context(), db, first, second, to)
	})
	restored := restore(t, fs, full)
	before := restored.Appended()
	if _, err := backup.RestoreLog(t.Context(), restored, late.reader(t), backup.Stop{}); !errors.Is(err, storage.ErrGap) {
		t.Errorf("a log that begins too late gave %v", err)
	}
	other := create(t, storage.Options{FS: fs, Dir: "/other", Name: "o"})
	must(t, other, "CREATE TABLE t(a)")
	strange, _ := taken(t, 1, bak.Log, func(to backup.Target) (*backup.Result, error) {
		return backup.WriteLog(t.Context(), other, lsn.Zero, other.Hardened(), to)
	})
	if _, err := backup.RestoreLog(t.Context(), restored, strange.reader(t), backup.Stop{}); !errors.Is(err, storage.ErrGap) {
		t.Errorf("a log of another database gave %v", err)
	}
	if restored.Appended() != before {
		t.Error("a refused log changed the database")
	}
}

func TestDamageIsNamed(t *testing.T) {
	t.Parallel()
	fs := fsx.NewMem()
	db := create(t, storage.Options{FS: fs, Dir: "/db", Name: "d"})
	must(t, db, "CREATE TABLE t(a)", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<2000) INSERT INTO t SELECT hex(randomblob(500)) FROM n")
	m, _ := taken(t, 2, bak.Full, func(to backup.Target) (*backup.Result, error) { return backup.WriteFull(t.Context(), db, to) })
	cases := map[string]struct {
		spoil func(*medium)
		want  string
	}{
		"flipped byte":    {func(m *medium) { m.stripes[1].Bytes()[m.stripes[1].Len()/2] ^= 1 }, "damaged"},
		"stripes swapped": {func(m *medium) { m.stripes[0], m.stripes[1] = m.stripes[1], m.stripes[0] }, "another order"},
		"other set":       {func(m *medium) { m.set[0]++ }, "belongs to backup set"},
		"other kind":      {func(m *medium) { m.kind = bak.Differential }, "the header says"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			spoilt := &medium{set: m.set, kind: m.kind}
			for _, s := range m.stripes {
				spoilt.stripes = append(spoilt.stripes, bytes.NewBuffer(bytes.Clone(s.Bytes())))
			}
			c.spoil(spoilt)
			r, err := spoilt.open()
			if err == nil {
				var db *storage.DB
				db, _, err = backup.RestoreFull(t.Context(), storage.Options{FS: fsx.NewMem(), Dir: "/x", Name: "x"}, r, nil)
				if db != nil {
					db.Close()
				}
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestUnfinishedIsNotABackup(t *testing.T) {
	t.Parallel()
	fs := fsx.NewMem()
	db := create(t, storage.Options{FS: fs, Dir: "/db", Name: "d"})
	must(t, db, "CREATE TABLE t(a)")
	var data, log bytes.Buffer
	sink := plain{&data, &log}
	if _, err := backup.WriteFull(t.Context(), db, backup.Target{Sink: sink, Stripes: 1, Set: setID}); err != nil {
		t.Fatal(err)
	}
	r, err := backup.NewReader([]backup.Stripe{{Data: &data, Log: bytes.NewReader(log.Bytes()[:log.Len()-512])}}, setID, bak.Full)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := backup.RestoreFull(t.Context(), storage.Options{FS: fs, Dir: "/r", Name: "r"}, r, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a set without its end gave %v", err)
	}
}

type plain struct{ data, log *bytes.Buffer }

func (p plain) Data(_ int, b []byte) error { _, err := p.data.Write(b); return err }
func (p plain) Log(_ int, b []byte) error  { _, err := p.log.Write(b); return err }

func FuzzReader(f *testing.F) {
	fs := fsx.NewMem()
	db, err := storage.Create(f.Context(), storage.Options{FS: fs, Dir: "/db", Name: "d"})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := exec(f.Context(), db, "CREATE TABLE t(a)"); err != nil {
		f.Fatal(err)
	}
	var data, log bytes.Buffer
	if _, err := backup.WriteFull(f.Context(), db, backup.Target{Sink: plain{&data, &log}, Stripes: 1, Set: setID}); err != nil {
		f.Fatal(err)
	}
	if err := db.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(data.Bytes(), log.Bytes())
	f.Fuzz(func(t *testing.T, data, log []byte) {
		r, err := backup.NewReader([]backup.Stripe{{Data: bytes.NewReader(data), Log: bytes.NewReader(log)}}, setID, bak.Full)
		for n := 0; err == nil; n++ {
			if _, err = r.Next(); n > (len(data)+len(log))/512 {
				t.Fatal("more frames than bytes")
			}
		}
	})
}

func TestDifferentialOverItsBase(t *testing.T) {
	t.Parallel()
	fs := fsx.NewMem()
	db := create(t, storage.Options{FS: fs, Dir: "/db", Name: "d"})
	must(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<3000) INSERT INTO t SELECT i, hex(randomblob(1000)) FROM n")
	full, f := taken(t, 2, bak.Full, func(to backup.Target) (*backup.Result, error) { return backup.WriteFull(t.Context(), db, to) })
	must(t, db, "UPDATE t SET b = 'changed' WHERE a % 500 = 7", "INSERT INTO t VALUES (100000, 'new')")
	round := 0
	diff, d := taken(t, 3, bak.Differential, func(to backup.Target) (*backup.Result, error) {
		to.Sink = busy{to.Sink, func() { round++; must(t, db, fmt.Sprintf("UPDATE t SET b = 'x%d' WHERE a = %d", round, round*13)) }}
		return backup.WriteDifferential(t.Context(), db, f.Start.Header.LogFrom, to)
	})
	if d.End.Pages == 0 || d.End.Pages*4 > f.End.Pages {
		t.Errorf("the differential has %d pages, the full %d", d.End.Pages, f.End.Pages)
	}
	end := must(t, db, "DELETE FROM t WHERE a = 100000")
	logs, _ := taken(t, 1, bak.Log, func(to backup.Target) (*backup.Result, error) {
		return backup.WriteLog(t.Context(), db, f.End.Last, end, to)
	})
	base := restore(t, fs, full)
	got, _, err := backup.RestoreDifferential(t.Context(), storage.Options{FS: fs, Dir: "/merged", Name: "m"}, base, diff.reader(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, got)
	if _, err := backup.RestoreLog(t.Context(), got, logs.reader(t), backup.Stop{}); err != nil {
		t.Fatal(err)
	}
	equal(t, db, got)
	early := create(t, storage.Options{FS: fs, Dir: "/early", Name: "e"})
	if _, _, err := backup.RestoreDifferential(t.Context(), storage.Options{FS: fs, Dir: "/no", Name: "n"}, early, diff.reader(t), nil); !errors.Is(err, storage.ErrGap) {
		t.Errorf("a differential over another database gave %v", err)
	}
}
