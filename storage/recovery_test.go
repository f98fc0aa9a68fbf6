package storage_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/storage"
)

// script runs the verbs of testdata/recovery over one database.
type script struct {
	t   *testing.T
	fs  *fsx.Mem
	db  *storage.DB
	log bytes.Buffer
}

// TestRecoveryScript says, step by step, what recovery makes of what a crash or a fault left.
func TestRecoveryScript(t *testing.T) {
	t.Parallel()
	s := &script{t: t, fs: fsx.NewMem()}
	datadriven.RunTest(t, "testdata/recovery", func(t *testing.T, d *datadriven.TestData) string {
		s.t = t
		out, err := s.run(d)
		if err != nil {
			return out + "error: " + strings.ReplaceAll(err.Error(), dir+"/", "") + "\n"
		}
		return out
	})
	s.stop()
}

func (s *script) stop() {
	if s.db != nil {
		_ = s.db.Close() // a script may have broken it
		s.db = nil
	}
}

func (s *script) options() storage.Options {
	o := options(s.fs)
	o.Clock = clock.NewManual(time.Unix(0, 0))
	o.Log = slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	o.Retain = func() lsn.LSN { return lsn.Zero }
	return o
}

func (s *script) run(d *datadriven.TestData) (string, error) {
	var err error
	if s.db == nil && (d.Cmd == "commit" || d.Cmd == "rows" || d.Cmd == "checkpoint") {
		d.Fatalf(s.t, "no database is open")
	}
	switch d.Cmd {
	case "create":
		s.stop()
		s.fs = fsx.NewMem()
		s.db, err = storage.Create(s.t.Context(), s.options())
		return s.state(), err
	case "commit":
		_, err = tryExec(s.t.Context(), s.db, d.Input)
		return s.state(), err
	case "checkpoint":
		return "", s.db.Checkpoint(s.t.Context())
	case "close":
		db := s.db
		s.db = nil
		return "", db.Close()
	case "crash": // the power fails; [keep=share] of what was not synced survives
		keep := 0
		d.MaybeScanArgs(s.t, "keep", &keep)
		disk := s.fs.CrashClone(1, float64(keep)/100)
		s.stop()
		s.fs = disk
		return "", nil
	case "open":
		s.db, err = storage.Open(s.t.Context(), s.options())
		return s.state(), err
	case "rows":
		r, err := tryQuery(s.t.Context(), s.db, d.Input)
		return strings.Join(r, " ") + "\n", err
	case "log":
		return s.dump(s.segment(d))
	case "flip", "zero", "cut":
		return s.damage(d)
	case "verify":
		var out bytes.Buffer
		err := storage.VerifyDir(s.t.Context(), s.fs, dir, &out, false)
		return strings.ReplaceAll(out.String(), dir+"/", ""), err
	}
	d.Fatalf(s.t, "unknown verb %s", d.Cmd)
	return "", nil
}

// state says where the database stands, and what it had to tell.
func (s *script) state() string {
	out := s.log.String()
	s.log.Reset()
	if s.db == nil {
		return out
	}
	at, _ := s.db.Digest()
	return out + fmt.Sprintf("published %s hardened %s\n", at, s.db.Hardened())
}

func (s *script) segment(d *datadriven.TestData) string {
	vlf := 1
	d.ScanArgs(s.t, "vlf", &vlf)
	return fmt.Sprintf("%s/vlf-%08d.log", dir, vlf)
}

// records reads a segment's records as the JSON dump shows them.
func (s *script) records(name string) ([]map[string]any, error) {
	var out bytes.Buffer
	err := storage.DumpLog(s.fs, name, &out, true)
	var list []map[string]any
	for dec := json.NewDecoder(&out); dec.More(); {
		var m map[string]any
		if e := dec.Decode(&m); e != nil {
			s.t.Fatal(e)
		}
		if m["lsn"] != nil {
			list = append(list, m)
		}
	}
	return list, err
}

func (s *script) dump(name string) (string, error) {
	list, err := s.records(name)
	var b strings.Builder
	for _, r := range list {
		fmt.Fprintf(&b, "%s after %s hardened %s epoch %v %v size %v\n", r["lsn"], r["prev"], r["hardened"], r["epoch"], r["kind"], r["pages"])
	}
	return b.String(), err
}

// damage changes the record of the index (from 0, negative from the end) in a segment, or the byte at an offset of a file.
func (s *script) damage(d *datadriven.TestData) (string, error) {
	var file string
	var at, size, index int
	if d.HasArg("vlf") {
		file = s.segment(d)
		list, err := s.records(file)
		if err != nil {
			return "", err
		}
		d.ScanArgs(s.t, "record", &index)
		if index < 0 {
			index += len(list)
		}
		at, size = int(list[index]["offset"].(float64)), int(list[index]["length"].(float64))
	} else {
		d.ScanArgs(s.t, "file", &file)
		d.ScanArgs(s.t, "at", &at)
		file, size = dir+"/"+file, 1
	}
	f, err := s.fs.OpenRW(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	switch d.Cmd {
	case "flip":
		flip(s.t, s.fs, file, int64(at+size/2))
	case "zero":
		_, err = f.WriteAt(make([]byte, size), int64(at))
	case "cut":
		err = f.Truncate(int64(at + size/2))
	}
	return "", err
}
