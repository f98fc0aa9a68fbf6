package baktest

import (
	"bytes"
	"io"

	"linkspan/bak"
)

// TestingTB is the part of testing.TB that is used here.
type TestingTB interface {
	Helper()
	Fatal(args ...any)
}

// Backup writes one medium with one backup set that holds pages (whole extents), as SQL Server would have written it.
func Backup(t TestingTB, w io.Writer, h bak.Header, pages []byte) {
	t.Helper()
	mw, err := bak.NewWriter([]io.Writer{w}, bak.MediaSpec{MediaSet: bak.GUID{h.SetGUID[0], 9}, Software: bak.SoftwareSQLServer})
	if err != nil {
		t.Fatal(err)
	}
	files := []bak.File{{ID: 1, Logical: h.Database, Physical: h.Database + ".mdf", Kind: 'D', Filegroup: 1, FilegroupName: "PRIMARY", PageSize: bak.PageSize, SectorSize: 512, Size: int64(len(pages))}}
	if err := mw.Begin(h, files); err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(pages); at += 1 << 20 {
		if err := mw.Data(0, pages[at:min(at+1<<20, len(pages))]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := mw.End(h, files); err != nil {
		t.Fatal(err)
	}
}

// Changed gives the extents of after that before does not have.
func Changed(before, after []byte) []byte {
	var out []byte
	for at := 0; at < len(after); at += bak.ExtentSize {
		e := after[at:min(at+bak.ExtentSize, len(after))]
		if at >= len(before) || !bytes.Equal(e, before[at:min(at+bak.ExtentSize, len(before))]) {
			out = append(out, e...)
		}
	}
	return out
}
