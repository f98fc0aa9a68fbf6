package bind

import (
	"linkspan/rel"
	"linkspan/tsql/ast"
	"linkspan/tsql/sqlfn"
)

// source is one item that a FROM clause puts in sight.
type source struct {
	// name is the alias or the table's name, folded; schema and database qualify it when it has no alias.
	name, schema, database string
	// shown is the name as messages spell it.
	shown   string
	columns []column
	// table and sql are set for a base table: what it is, and the alias it has in SQLite.
	table *rel.Table
	sql   string
	// need is the permission to read it; nil when none is asked for.
	need *need
	// schemaSQL is the SQLite schema of the table.
	schemaSQL string
	// viaCTE is the rowid's text when the rows of the table come through a CTE that is the target of a change.
	viaCTE string
}

// column is a column in sight.
type column struct {
	name string // as declared
	fold string
	expr sqlfn.Expr
	// compute gives the expression of a computed column that is not stored; nil for others.
	compute func() (sqlfn.Expr, error)
	col     *rel.Column // of a base table
}

// scope is what names mean at one place: the sources of a query, then those of the queries around it.
type scope struct {
	parent  *scope
	sources []*source
	// agg is the state of a query with aggregates, nil in one without (and in clauses before grouping).
	agg *aggregation
	// clause is where the expression stands, for messages and for what is allowed there.
	clause clause
	// inAggregate counts the aggregates around the expression.
	inAggregate int
	// rowParams makes columns parameters that the plan feeds (SELECT @a = @a + column); nil normally.
	rowParams *rowParams
}

type clause uint8

const (
	inSelect clause = iota
	inFrom
	inWhere
	inGroup
	inHaving
	inOrder
	inSet
	inCheck
	inDefault
)

// aggregation is how a query groups.
type aggregation struct {
	// keys holds the text of each grouping expression.
	keys map[string]bool
	// complex tells that a key is more than a column.
	complex bool
	// seen tells that an aggregate was met.
	seen bool
	// active is false while expressions are bound that stand below the grouping.
	active bool
}

// find looks a column up in s and the scopes around it. It returns the scope that has it.
func (b *binder) find(s *scope, c *ast.Column) (*column, *source, *scope, error) {
	for ; s != nil; s = s.parent {
		col, src, err := b.findIn(s, c)
		if err != nil || col != nil {
			return col, src, s, err
		}
	}
	if c.Table.Name != "" {
		full := c.Table
		return nil, nil, nil, b.fail(c, 4104, full.String()+"."+c.Name)
	}
	return nil, nil, nil, b.fail(c, 207, c.Name)
}

func (b *binder) findIn(s *scope, c *ast.Column) (found *column, from *source, err error) {
	name, matched := b.fold(c.Name), false
	for _, src := range s.sources {
		if c.Table.Name != "" {
			if !b.matches(src, c.Table) {
				continue
			}
			matched = true
		}
		for i := range src.columns {
			if src.columns[i].fold != name && !(c.Name == "$IDENTITY" && src.columns[i].col != nil && src.columns[i].col.Identity) {
				continue
			}
			if found != nil {
				return nil, nil, b.fail(c, 209, c.Name)
			}
			found, from = &src.columns[i], src
		}
	}
	if found == nil && matched {
		return nil, nil, b.fail(c, 207, c.Name)
	}
	return found, from, nil
}

// matches reports whether a qualifier names a source.
func (b *binder) matches(src *source, q ast.ObjectName) bool {
	if b.fold(q.Name) != src.name {
		return false
	}
	if q.Schema != "" && b.fold(q.Schema) != src.schema {
		return false
	}
	return q.Database == "" || b.fold(q.Database) == src.database
}

// value gives a column's expression.
func (c *column) value() (sqlfn.Expr, error) {
	if c.compute != nil {
		return c.compute()
	}
	return c.expr, nil
}
