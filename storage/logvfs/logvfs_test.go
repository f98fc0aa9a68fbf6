package logvfs_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"linkspan/lsn"
	"linkspan/storage/logvfs"
)

// TestVersionsShareNothingThatChanges builds versions from versions and compares each, at the end, with a plain map.
func TestVersionsShareNothingThatChanges(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	type model map[uint32]*logvfs.Page
	var versions []*logvfs.Version
	var models []model
	b, m := logvfs.NewBuilder(nil), model{}
	for i := range 60 {
		for range rnd.IntN(30) {
			no := uint32(1 + rnd.IntN(200))
			if rnd.IntN(4) == 0 {
				no = rnd.Uint32() >> rnd.IntN(20)
			}
			p := &logvfs.Page{LSN: lsn.LSN{VLF: uint32(i)}}
			b.Set(no, p)
			m[no] = p
		}
		versions = append(versions, b.Version(&logvfs.Version{}))
		c := model{}
		for no, p := range m {
			c[no] = p
		}
		models = append(models, c)
		if rnd.IntN(3) == 0 { // go on from an older one
			k := rnd.IntN(len(versions))
			b, m = logvfs.NewBuilder(versions[k]), model{}
			for no, p := range models[k] {
				m[no] = p
			}
		}
	}
	for i, v := range versions {
		n, last := 0, uint32(0)
		v.EachChanged(func(no uint32, p *logvfs.Page) bool {
			if models[i][no] != p || v.Changed(no) != p || (n > 0 && no <= last) {
				t.Errorf("version %d: page %d", i, no)
			}
			n, last = n+1, no
			return true
		})
		if n != len(models[i]) || v.Dirty() != n {
			t.Errorf("version %d has %d pages (says %d), want %d", i, n, v.Dirty(), len(models[i]))
		}
	}
}

func TestForgetDropsCleanPages(t *testing.T) {
	t.Parallel()
	b := logvfs.NewBuilder(nil)
	clean, dirty := &logvfs.Page{}, &logvfs.Page{}
	clean.Clean.Store(true)
	b.Set(1, clean)
	b.Set(70_000, clean)
	b.Set(70_001, dirty)
	v := b.Version(&logvfs.Version{})
	v.Forget()
	if v.Changed(1) != nil || v.Changed(70_000) != nil || v.Changed(70_001) != dirty || v.Dirty() != 1 {
		t.Errorf("%d pages are left", v.Dirty())
	}
}

func TestGuard(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		action        sqlite3.AuthorizerActionCode
		third, fourth string
		schema        string
		reader, write bool
	}{
		{sqlite3.AUTH_SELECT, "", "", "", true, true},
		{sqlite3.AUTH_INSERT, "t_1", "", "main", false, true},
		{sqlite3.AUTH_INSERT, "x", "", "temp", true, true},
		{sqlite3.AUTH_CREATE_TABLE, "t_1", "", "main", false, true},
		{sqlite3.AUTH_ATTACH, "f", "", "", false, false},
		{sqlite3.AUTH_TRANSACTION, "BEGIN", "", "", false, false},
		{sqlite3.AUTH_PRAGMA, "Journal_Mode", "", "main", false, false},
		{sqlite3.AUTH_PRAGMA, "table_info", "t", "main", true, true},
		{sqlite3.AUTH_FUNCTION, "", "LOAD_EXTENSION", "", false, false},
		{sqlite3.AUTH_FUNCTION, "", "ls_add", "", true, true},
		{sqlite3.AUTH_CREATE_TRIGGER, "x", "t", "main", false, false},
		{sqlite3.AuthorizerActionCode(999), "", "", "", false, false},
	} {
		name := fmt.Sprint(c.action, c.third, c.fourth, c.schema)
		for writer, want := range map[bool]bool{false: c.reader, true: c.write} {
			g := &logvfs.Guard{Writer: writer}
			if got := g.Authorize(c.action, c.third, c.fourth, c.schema, "") == sqlite3.AUTH_OK; got != want {
				t.Errorf("%s, writer %v: %v", name, writer, got)
			}
			g.Trusted = true
			if g.Authorize(c.action, c.third, c.fourth, c.schema, "") != sqlite3.AUTH_OK {
				t.Errorf("%s: storage itself is refused", name)
			}
		}
	}
}
