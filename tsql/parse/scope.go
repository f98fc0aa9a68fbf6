package parse

import (
	"strings"

	"linkspan/sqlerr"
	"linkspan/tsql/ast"
)

// scope is what a batch or procedure has declared so far. A variable is known from its declaration to the end of the
// batch, whatever blocks stand between.
type scope struct {
	scalars, tables map[string]bool
	labels          map[string]bool
	gotos           []*ast.Goto
	module          bool // a procedure or function, where RETURN may have a value
}

func newScope() *scope {
	return &scope{scalars: map[string]bool{}, tables: map[string]bool{}, labels: map[string]bool{}}
}

// declare adds a variable; 134 when it is there.
func (p *parser) declare(at ast.Pos, name string, table bool) {
	if p.scope == nil {
		return
	}
	k := strings.ToLower(name)
	if p.scope.scalars[k] || p.scope.tables[k] {
		p.complain(at, sqlerr.New(134, name))
	}
	if table {
		p.scope.tables[k] = true
	} else {
		p.scope.scalars[k] = true
	}
}

// useScalar notes a variable in an expression; 137 when it was not declared.
func (p *parser) useScalar(at ast.Pos, name string) {
	if p.scope == nil || p.scope.scalars[name] || p.scope.scalars[strings.ToLower(name)] {
		return
	}
	p.complain(at, sqlerr.New(137, name).WithState(2))
}

// useTable notes a table variable; 1087 when it was not declared.
func (p *parser) useTable(at ast.Pos, name string) {
	if p.scope == nil || p.scope.tables[strings.ToLower(name)] {
		return
	}
	p.complain(at, sqlerr.New(1087, name))
}

// checkLabels finds the jumps that lead nowhere.
func (s *scope) checkLabels(p *parser) {
	for _, g := range s.gotos {
		if !s.labels[strings.ToLower(g.Label)] {
			p.complain(g.Pos, sqlerr.New(133, g.Label))
		}
	}
}
