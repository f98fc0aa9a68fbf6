package share_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"linkspan/bak"
	"linkspan/bak/baktest"
	"linkspan/lsn"
)

// start is when the databases of the tests are from.
var start = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

func at(n uint32) lsn.LSN { return lsn.LSN{VLF: n, Block: 8, Slot: 1} }

// header is that of the n-th backup of a database.
func header(kind bak.Type, n byte) bak.Header {
	h := bak.Header{SetGUID: bak.GUID{n, 1, 2, 3}, Database: "Sales", Server: "SQL1", Type: kind, Flags: bak.FlagAlways | bak.FlagChecksums, Major: 15,
		FirstLSN: at(uint32(n)), LastLSN: at(uint32(n) + 1), CheckpointLSN: at(uint32(n)), RecoveryForkID: bak.GUID{7}, FirstForkID: bak.GUID{7},
		FamilyGUID: bak.GUID{7}, BindingID: bak.GUID{8}, DatabaseVersion: 904, Compatibility: 150, Started: start, Finished: start.Add(time.Duration(n) * time.Minute)}
	if kind == bak.Differential {
		h.Flags |= bak.FlagDifferential
		h.DifferentialBaseGUID, h.DifferentialBase = bak.GUID{1, 1, 2, 3}, at(1)
	}
	return h
}

// made is a backup in one file.
func made(t *testing.T, h bak.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	baktest.Backup(t, &b, h, bytes.Repeat([]byte{h.SetGUID[0]}, 4*bak.ExtentSize))
	return b.Bytes()
}

// striped is a backup in n files.
func striped(t *testing.T, h bak.Header, n int) [][]byte {
	t.Helper()
	bufs, ws := make([]*bytes.Buffer, n), make([]io.Writer, n)
	for i := range ws {
		bufs[i] = new(bytes.Buffer)
		ws[i] = bufs[i]
	}
	w, err := bak.NewWriter(ws, bak.MediaSpec{MediaSet: bak.GUID{9, h.SetGUID[0]}, Software: bak.SoftwareSQLServer})
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, h)
	out := make([][]byte, n)
	for i, b := range bufs {
		out[i] = b.Bytes()
	}
	return out
}

// several are backups in one file.
func several(t *testing.T, hs ...bak.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := bak.NewWriter([]io.Writer{&b}, bak.MediaSpec{MediaSet: bak.GUID{9, 9}})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hs {
		write(t, w, h)
	}
	return b.Bytes()
}

// compressed is a backup in the compressed container.
func compressed(t *testing.T, h bak.Header, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	c, err := bak.NewCompressor(&b)
	if err != nil {
		t.Fatal(err)
	}
	w, err := bak.NewWriter([]io.Writer{c}, bak.MediaSpec{MediaSet: bak.GUID{9, 9}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Begin(h, nil); err != nil {
		t.Fatal(err)
	}
	for len(data) > 0 {
		n := min(len(data), 1<<20)
		if err := w.Data(0, data[:n]); err != nil {
			t.Fatal(err)
		}
		data = data[n:]
	}
	if _, err := w.End(h, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t *testing.T, w *bak.Writer, h bak.Header) {
	t.Helper()
	files := []bak.File{{ID: 1, Logical: "Sales", Physical: "Sales.mdf", Kind: 'D', Filegroup: 1, PageSize: bak.PageSize, SectorSize: 512}}
	if err := w.Begin(h, files); err != nil {
		t.Fatal(err)
	}
	if err := w.Data(0, make([]byte, bak.ExtentSize)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.End(h, files); err != nil {
		t.Fatal(err)
	}
}

// put writes a file as a program does that writes it in one go.
func put(t *testing.T, folder, name string, b []byte) string {
	t.Helper()
	p := filepath.Join(folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}
