package migrate

import (
	"testing"

	"linkspan/migrate/flow"
)

// TestTailFile: the tail-log backup goes where the share's watcher finds it, named as the source itself reaches it.
func TestTailFile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                  string
		path, source, folders string
		own                   string // the database's path; "" is the share's
		want                  string
	}{
		{"local", "/share", "", "one", "", "/share/My-Shop-21e02318_tail_go_2.trn"},
		{"local, a folder each", "/share", "", "perDatabase", "", "/share/My Shop/My-Shop-21e02318_tail_go_2.trn"},
		{"UNC", `\\fs\backups\sql`, "", "one", "", `\\fs\backups\sql\My-Shop-21e02318_tail_go_2.trn`},
		{"smb with a port", "smb://fs:4450/backups/sql", "", "perDatabase", "", `\\fs\backups\sql\My Shop\My-Shop-21e02318_tail_go_2.trn`},
		{"as the source reaches it", "smb://fs/backups", "/mnt/backups", "one", "", "/mnt/backups/My-Shop-21e02318_tail_go_2.trn"},
		{"as the source reaches it, a folder each", "smb://fs/backups", `D:\backups`, "perDatabase", "", `D:\backups\My Shop\My-Shop-21e02318_tail_go_2.trn`},
		{"a place of its own", "smb://fs/backups", "/mnt/backups", "one", "smb://nas/x", `\\nas\x\My-Shop-21e02318_tail_go_2.trn`},
	} {
		s := Spec{Name: "go", Share: ShareSpec{Path: c.path, Source: c.source, Folders: c.folders}, Databases: []DatabaseSpec{{Name: "My Shop", Path: c.own}}}.Normalize()
		p := &parts{spec: s}
		if got := p.tailFile(&lane{spec: s.Databases[0]}, 2); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestTailFilesOfTheirOwn: databases whose names differ only in what files' names do not take have tails of their own.
func TestTailFilesOfTheirOwn(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"orders", "заказы", "склад", "a b", "a-b", "a.b", "a[b", "-a-b", "…"} {
		s := Spec{Name: "move", Share: ShareSpec{Path: "/backups", Folders: "one"}, Databases: []DatabaseSpec{{Name: name, Path: "/backups"}}}
		p := &parts{spec: s}
		file := p.tailFile(&lane{spec: s.Databases[0]}, 1)
		if other, taken := seen[file]; taken {
			t.Errorf("%q and %q have the tail %s", name, other, file)
		}
		seen[file] = name
	}
}

// TestDeeds: whatever the table asks for can be carried out.
func TestDeeds(t *testing.T) {
	t.Parallel()
	for _, d := range flow.Duties() {
		for _, k := range d.Effects {
			if deeds[k] == nil {
				t.Errorf("nobody carries out %s", k)
			}
		}
	}
}
