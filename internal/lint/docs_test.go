package lint_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The pages are held to the tree: what they name exists. A page that lies fails the build as code would.

// page is a document and its text.
type page struct{ name, text string }

func pages(t *testing.T, root string) []page {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	top, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var out []page
	for _, n := range append(top, names...) {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, page{filepath.ToSlash(strings.TrimPrefix(n, root+string(filepath.Separator))), string(b)})
	}
	if len(out) < 4 {
		t.Fatalf("%d pages below %s", len(out), root)
	}
	return out
}

const repository = "../.."

var (
	quoted     = regexp.MustCompile("`([^`\n]+)`")
	linked     = regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)
	braces     = regexp.MustCompile(`^(.*)\{([^{}]*)\}(.*)$`)
	makeTarget = regexp.MustCompile("(?m)(?:`|^)make ([a-z]+)")
	menuLine   = regexp.MustCompile(`(?m)^([a-z]+):`)
	testName   = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z][A-Za-z0-9_]*\b`)
	// A test is named as `package`: TestOne, TestTwo.
	testList = regexp.MustCompile("`([a-z0-9/]+)`: ((?:Test|Fuzz)[A-Za-z0-9_]*(?:,\\s+(?:Test|Fuzz)[A-Za-z0-9_]*)*)")
)

// TestPagesNameWhatExists looks up the paths and links of every page: `tsql/exec`, `bak/{chain,mdf}`, `media/*`.
func TestPagesNameWhatExists(t *testing.T) {
	tops := map[string]bool{}
	entries, err := os.ReadDir(repository)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		tops[e.Name()] = e.IsDir()
	}
	checked := 0
	for _, p := range pages(t, repository) {
		for _, m := range quoted.FindAllStringSubmatch(p.text, -1) {
			first, _, deep := strings.Cut(m[1], "/")
			if !deep || !tops[first] || strings.ContainsAny(m[1], " <>…") {
				continue
			}
			for _, name := range alternatives(m[1]) {
				checked++
				if found, err := filepath.Glob(filepath.Join(repository, filepath.FromSlash(name))); err != nil || len(found) == 0 {
					t.Errorf("%s names %s, which does not exist", p.name, name)
				}
			}
		}
		for _, m := range linked.FindAllStringSubmatch(p.text, -1) {
			if strings.Contains(m[1], ":") {
				continue
			}
			checked++
			if _, err := os.Stat(filepath.Join(repository, filepath.FromSlash(path.Join(path.Dir(p.name), m[1])))); err != nil {
				t.Errorf("%s links to %s, which does not exist", p.name, m[1])
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d paths were found on the pages", checked)
	}
}

// alternatives spells out "a/{b,c}".
func alternatives(name string) []string {
	m := braces.FindStringSubmatch(name)
	if m == nil {
		return []string{name}
	}
	var out []string
	for _, choice := range strings.Split(m[2], ",") {
		out = append(out, m[1]+strings.TrimSpace(choice)+m[3])
	}
	return out
}

// TestPagesNameTargetsOfTheMenu looks up every "make x".
func TestPagesNameTargetsOfTheMenu(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, m := range menuLine.FindAllStringSubmatch(string(b), -1) {
		targets[m[1]] = true
	}
	for _, p := range pages(t, repository) {
		for _, m := range makeTarget.FindAllStringSubmatch(p.text, -1) {
			if !targets[m[1]] {
				t.Errorf("%s names \"make %s\", which the Makefile does not have", p.name, m[1])
			}
		}
	}
}

// TestPagesNameTestsThatExist looks up every test named on a page in the package it is named with.
func TestPagesNameTestsThatExist(t *testing.T) {
	declared := declaredTests(t)
	for _, p := range pages(t, repository) {
		placed := 0
		for _, m := range testList.FindAllStringSubmatch(p.text, -1) {
			for _, name := range testName.FindAllString(m[2], -1) {
				placed++
				if !declared[m[1]+"."+name] {
					t.Errorf("%s names the test %s of %s, which does not exist", p.name, name, m[1])
				}
			}
		}
		if all := len(testName.FindAllString(p.text, -1)); all != placed {
			t.Errorf("%s names %d tests, %d of them as \"`package`: TestOne, TestTwo\"", p.name, all, placed)
		}
		if p.name == "docs/proof.md" && placed < 50 {
			t.Errorf("%s names only %d tests", p.name, placed)
		}
	}
}

var testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9_]*)\(`)

// declaredTests are the tests of the tree, as "package.Name".
func declaredTests(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	tree := os.DirFS(repository)
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		b, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		for _, m := range testFunc.FindAllStringSubmatch(string(b), -1) {
			out[path.Dir(name)+"."+m[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
