package lint_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// maxLines is where a file must be cut by the state it owns; tables (catalogue_*, *_table.go) are exempt.
const maxLines = 500

// clockOwner is the one package that may read the clock.
const clockOwner = module + "internal/clock"

func TestSourceRules(t *testing.T) {
	row := rows()
	for _, p := range packages(t) {
		for _, f := range p.GoFiles {
			checkFile(t, p, filepath.Join(p.Dir, f), row[strings.TrimPrefix(p.ImportPath, module)] == pure)
		}
	}
}

func checkFile(t *testing.T, p pkg, file string, isPure bool) {
	t.Helper()
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	where := strings.TrimPrefix(p.ImportPath, module) + "/" + filepath.Base(file)
	lines := set.File(tree.Pos()).LineCount()
	if isTable := strings.HasPrefix(filepath.Base(file), "catalogue_") || strings.HasSuffix(file, "_table.go"); lines > maxLines && !isTable {
		t.Errorf("%s has %d lines: cut it by the state it owns", where, lines)
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			if isPure {
				t.Errorf("%s:%d starts a goroutine in a pure package", where, set.Position(n.Pos()).Line)
			}
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && n.Sel.Name == "Now" && p.ImportPath != clockOwner {
				t.Errorf("%s:%d calls time.Now: time comes through internal/clock", where, set.Position(n.Pos()).Line)
			}
		case *ast.FuncDecl:
			if n.Name.Name == "init" && n.Recv == nil {
				t.Errorf("%s:%d has an init function: wire it explicitly", where, set.Position(n.Pos()).Line)
			}
		}
		return true
	})
}
