package lint_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"strings"
	"sync"
	"testing"
)

// module is the path every one of our packages starts with.
const module = "linkspan/"

// ladder gives each package its row, lowest first. A package imports strictly lower rows only; rungs lists the
// exceptions inside a row. ARCHITECTURE.md shows the picture and the reasons.
var ladder = [][]string{
	0: {"lsn", "sqlerr", "sqltype", "internal/clock", "internal/fsx", "internal/invariant", "internal/sabotage", "internal/startstop", "internal/lint"},
	1: {"sqlapi", "rel", "tds", "pagelog", "bak", "bak/chain", "bak/mdf", "bak/baktest", "trust", "login", "hadr/hadrwire", "hadr/agcore", "hadr/agsim",
		"storage/btree", "tsql/ast", "tsql/parse", "link/flow", "migrate/flow", "logreplay/flow", "armtypes"},
	2: {"storage", "storage/logvfs", "media", "media/mediatest", "media/dir", "media/smb", "media/azblob", "backup/device", "hadr/endpoint", "sqlclient", "armclient", "internal/smallfile"},
	3: {"backup", "backup/foreign", "catalog", "tsql/sqlfn", "tsql/bind", "tsql/exec", "migrate/ledger", "migrate/share", "migrate/depot",
		"migrate/servers", "migrate/logins", "migrate/replay"},
	4:  {"hadr", "hadr/seeding", "rescue", "migrate/engine"},
	5:  {"instance", "link", "migrate", "logreplay"},
	6:  {"tdsserver", "arm", "doctor", "metrics", "web"},
	7:  {"daemon"},
	8:  {"demo"},
	9:  {"cli"},
	10: {"cmd/linkspan", "internal/harness", "internal/history"},
	11: {"internal/systest", "internal/bench", "internal/testsum"},
}

// pure is the row whose packages take messages and give effects: no disk, no network, no clock, no goroutine.
const pure = 1

// rungs are the imports allowed inside one row, with the reason. One that is no longer used fails the test.
var rungs = map[string]string{
	"sqltype > sqlerr":             "a conversion that fails has its number from birth",
	"rel > sqlapi":                 "a view's columns are described as any result's",
	"bak/chain > bak":              "the planner plans over the sets that the reader reads",
	"bak/baktest > bak":            "made databases are backed up by the writer",
	"bak/mdf > bak":                "the tables lie in the reader's data streams",
	"logreplay/flow > bak":         "what is decided on are the headers of backups",
	"logreplay/flow > bak/chain":   "stripes and sequences are the planner's",
	"link/flow > armtypes":         "the steps are made of the management API's resources",
	"tsql/parse > tsql/ast":        "the parser makes the tree",
	"storage > storage/logvfs":     "the database is made of its file system",
	"media/dir > media":            "implements it",
	"media/mediatest > media":      "exercises it",
	"media/smb > media":            "implements it",
	"media/azblob > media":         "implements it",
	"backup/device > media":        "what it opens is a file of backup media",
	"backup/device > media/azblob": "blobs are reached as any container is",
	"backup/foreign > catalog":     "rows go into the tables past T-SQL",
	"backup/foreign > tsql/sqlfn":  "values are bound as statements bind them",
	"catalog > tsql/sqlfn":         "columns are declared under the collations that the functions' package registers",
	"tsql/bind > tsql/sqlfn":       "bound expressions call the functions",
	"tsql/bind > catalog":          "names are bound against the catalog",
	"tsql/exec > tsql/bind":        "the executor runs what was bound",
	"tsql/exec > tsql/sqlfn":       "connections carry the functions",
	"tsql/exec > catalog":          "statements that define objects change it",
	"hadr/agsim > hadr/agcore":     "the simulator drives the machines",
	"hadr > hadr/seeding":          "a replica begins with its seeding",

	"migrate/replay > migrate/depot": "sets are told by the names that their files have in storage",
}

// impure names what a pure package must not import.
var impure = []string{"os", "net", "net/http", "time/tzdata", "linkspan/internal/fsx", "linkspan/internal/startstop"}

type pkg struct {
	ImportPath                     string
	Doc                            string
	Dir                            string
	Imports, TestImports           []string
	GoFiles, CgoFiles, TestGoFiles []string
	XTestGoFiles                   []string
}

var list = sync.OnceValues(func() ([]pkg, error) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Doc,Dir,Imports,TestImports,GoFiles,CgoFiles,TestGoFiles,XTestGoFiles", "linkspan/...")
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
})

func packages(t *testing.T) []pkg {
	t.Helper()
	all, err := list()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	if len(all) < 5 {
		t.Fatalf("go list shows %d packages", len(all))
	}
	return all
}

func rows() map[string]int {
	m := map[string]int{}
	for i, names := range ladder {
		for _, n := range names {
			m[n] = i
		}
	}
	return m
}

func TestLadder(t *testing.T) {
	row, used := rows(), map[string]bool{}
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		mine, ok := row[name]
		if !ok {
			t.Errorf("%s stands on no row of the ladder: give it one, and ARCHITECTURE.md the reason", name)
			continue
		}
		for _, imp := range p.Imports {
			checkImport(t, name, mine, imp, row, used)
		}
	}
	for r, why := range rungs {
		if from, _, _ := strings.Cut(r, " > "); !used[r] && exists(t, from) {
			t.Errorf("the exception %q (%s) is not used any more: take it out", r, why)
		}
	}
}

func exists(t *testing.T, name string) bool {
	for _, p := range packages(t) {
		if p.ImportPath == module+name {
			return true
		}
	}
	return false
}

func checkImport(t *testing.T, name string, mine int, imp string, row map[string]int, used map[string]bool) {
	t.Helper()
	if imp == "testing" {
		t.Errorf("%s imports testing outside tests: it would be linked into the product", name)
	}
	if mine == pure {
		for _, bad := range impure {
			if imp == bad {
				t.Errorf("%s is pure and imports %s: take the bytes, the time or the peer as a parameter", name, imp)
			}
		}
	}
	low, ours := strings.CutPrefix(imp, module)
	if !ours {
		return
	}
	theirs, ok := row[low]
	if !ok {
		return // reported where the package itself is visited
	}
	if theirs < mine {
		return
	}
	if r := name + " > " + low; rungs[r] != "" {
		used[r] = true
		return
	}
	t.Errorf("%s (row %d) imports %s (row %d): imports go down only, so that each part can be read and tested without those above it; pass a func or declare an interface instead", name, mine, low, theirs)
}

func TestEveryPackageSaysWhatItOwns(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles)+len(p.CgoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		if base := path.Base(p.ImportPath); base == "util" || base == "common" || base == "models" || base == "types" || base == "helpers" {
			t.Errorf("%s is not named for what it owns", p.ImportPath)
		}
	}
}
