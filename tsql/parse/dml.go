package parse

import (
	"linkspan/sqlerr"
	"linkspan/tsql/ast"
)

// target reads the table of INSERT, UPDATE, DELETE or MERGE.
func (p *parser) target(alias bool) ast.Source {
	t := p.tok()
	at := pos(t)
	if t.kind == tVariable {
		v := &ast.TableVariable{Pos: at, Name: p.raw(t)}
		p.useTable(at, v.Name)
		p.advance()
		if alias {
			v.Alias, _ = p.sourceAlias()
		}
		return v
	}
	if p.is("OPENROWSET") || p.is("OPENQUERY") || p.is("OPENDATASOURCE") {
		f := &ast.FunctionTable{Pos: at, Call: &ast.Func{Pos: at, Name: ast.ObjectName{Pos: at, Name: p.upper(t)}}}
		p.advance()
		p.skipParens()
		return f
	}
	n := &ast.TableName{Pos: at, Name: p.objectName()}
	n.Hints = p.tableHints()
	if alias {
		n.Alias, _ = p.sourceAlias()
		n.Hints = append(n.Hints, p.tableHints()...)
	}
	return n
}

func (p *parser) optionalTop() *ast.Top {
	if p.is("TOP") {
		return p.top()
	}
	return nil
}

func (p *parser) optionalHints() []ast.Option {
	if p.is("OPTION") && p.isAhead(1, "(") {
		return p.queryHints()
	}
	return nil
}

func (p *parser) insert(at ast.Pos, with []*ast.CTE) ast.Statement {
	p.advance()
	if p.is("BULK") {
		return p.insertBulk(at)
	}
	s := &ast.Insert{Pos: at, With: with, Top: p.optionalTop()}
	p.accept("INTO")
	s.Target = p.target(false)
	if p.is("(") && !p.startsQuery(1) {
		s.Columns = p.insertColumns()
	}
	s.Output = p.output()
	switch {
	case p.acceptSeq("DEFAULT", "VALUES"):
		s.DefaultValues = true
	case p.accept("VALUES"):
		s.Rows = p.rows()
		if len(s.Rows) > 1000 {
			p.complain(at, sqlerr.New(10738))
		}
	case p.is("EXEC"), p.is("EXECUTE"):
		s.Exec, _ = p.execute().(*ast.Execute)
		if s.Exec == nil {
			p.unexpected()
		}
	case p.is("SELECT"), p.is("WITH"), p.is("("):
		s.Query = p.selectStatement(false)
	default:
		p.unexpected()
	}
	s.Hints = p.optionalHints()
	return s
}

// insertColumns reads the column list, in which names may be qualified to no effect.
func (p *parser) insertColumns() []ast.Ident {
	var list []ast.Ident
	p.expect("(")
	for {
		at := p.here()
		quoted := p.tok().kind == tQuoted
		n := p.objectName()
		list = append(list, ast.Ident{Pos: at, Name: n.Name, Quoted: quoted})
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	return list
}

func (p *parser) output() *ast.Output {
	if !p.is("OUTPUT") {
		return nil
	}
	o := &ast.Output{Pos: p.here()}
	p.advance()
	o.Items = p.selectItems()
	if !p.accept("INTO") {
		return o
	}
	o.Into = p.target(false)
	if p.is("(") && !p.startsQuery(1) {
		o.Columns = p.identList()
	}
	if p.is("OUTPUT") {
		p.advance()
		o.Client = p.selectItems()
	}
	return o
}

func (p *parser) update(at ast.Pos, with []*ast.CTE) ast.Statement {
	if p.isAhead(1, "STATISTICS") {
		return p.updateStatistics()
	}
	p.advance()
	s := &ast.Update{Pos: at, With: with, Top: p.optionalTop()}
	s.Target = p.target(false)
	p.expect("SET")
	s.Set = p.assignments()
	s.Output = p.output()
	if p.accept("FROM") {
		s.From = p.sources()
	}
	s.Where, s.Cursor = p.where()
	s.Hints = p.optionalHints()
	return s
}

// where reads WHERE condition or WHERE CURRENT OF cursor.
func (p *parser) where() (ast.Expr, string) {
	if !p.accept("WHERE") {
		return nil, ""
	}
	if p.acceptSeq("CURRENT", "OF") {
		p.accept("GLOBAL")
		if t := p.tok(); t.kind == tVariable {
			p.advance()
			return nil, p.raw(t)
		}
		return nil, p.name()
	}
	return p.condition(), ""
}

func (p *parser) assignments() []ast.Assignment {
	var list []ast.Assignment
	for {
		list = append(list, p.assignment())
		if !p.accept(",") {
			return list
		}
	}
}

func (p *parser) assignment() ast.Assignment {
	t := p.tok()
	a := ast.Assignment{Pos: pos(t)}
	if t.kind == tVariable {
		a.Variable = p.raw(t)
		p.useScalar(a.Pos, a.Variable)
		p.advance()
		if p.is("=") && isName(p.ahead(1)) && isAssignment(p.afterName(1)) {
			p.advance()
		} else {
			return p.assigned(a)
		}
	}
	c, ok := p.nameExpr().(*ast.Column)
	if !ok {
		p.unexpected()
		return a
	}
	a.Column = c
	return p.assigned(a)
}

// afterName is the token after the dotted name that begins n places on.
func (p *parser) afterName(n int) *token {
	for isName(p.ahead(n)) && p.isAhead(n+1, ".") {
		n += 2
	}
	return p.ahead(n + 1)
}

func (p *parser) assigned(a ast.Assignment) ast.Assignment {
	if !isAssignment(p.tok()) {
		p.unexpected()
		return a
	}
	a.Op = p.tok().word
	p.advance()
	if at := p.here(); p.accept("DEFAULT") {
		a.Value = &ast.Default{Pos: at}
	} else {
		a.Value = p.scalar()
	}
	return a
}

func (p *parser) delete(at ast.Pos, with []*ast.CTE) ast.Statement {
	p.advance()
	s := &ast.Delete{Pos: at, With: with, Top: p.optionalTop()}
	p.accept("FROM")
	s.Target = p.target(false)
	s.Output = p.output()
	if p.accept("FROM") {
		s.From = p.sources()
	}
	s.Where, s.Cursor = p.where()
	s.Hints = p.optionalHints()
	return s
}

func (p *parser) merge(at ast.Pos, with []*ast.CTE) ast.Statement {
	p.advance()
	m := &ast.Merge{Pos: at, With: with, Top: p.optionalTop()}
	p.accept("INTO")
	m.Target = p.target(true)
	p.expect("USING")
	m.Using = p.joined()
	p.expect("ON")
	m.On = p.condition()
	for p.is("WHEN") && p.err == nil {
		m.Whens = append(m.Whens, p.mergeWhen())
	}
	if len(m.Whens) == 0 {
		p.unexpected()
	}
	m.Output = p.output()
	m.Hints = p.optionalHints()
	if !p.is(";") && p.err == nil {
		p.fail(sqlerr.New(10713))
	}
	return m
}

func (p *parser) mergeWhen() ast.MergeWhen {
	w := ast.MergeWhen{Pos: p.here(), Match: "MATCHED"}
	p.advance()
	if p.accept("NOT") {
		w.Match = "NOT MATCHED BY TARGET"
	}
	p.expect("MATCHED")
	if w.Match != "MATCHED" && p.accept("BY") && p.oneOf("TARGET", "SOURCE") == "SOURCE" {
		w.Match = "NOT MATCHED BY SOURCE"
	}
	if p.accept("AND") {
		w.And = p.condition()
	}
	p.expect("THEN")
	w.Action = p.oneOf("UPDATE", "DELETE", "INSERT")
	switch w.Action {
	case "UPDATE":
		p.expect("SET")
		w.Set = p.assignments()
	case "INSERT":
		if p.is("(") {
			w.Columns = p.insertColumns()
		}
		if p.acceptSeq("DEFAULT", "VALUES") {
			w.DefaultValues = true
			return w
		}
		p.expect("VALUES")
		if rows := p.rows(); len(rows) == 1 {
			w.Values = rows[0]
		} else {
			p.unexpected()
		}
	}
	return w
}

func (p *parser) insertBulk(at ast.Pos) ast.Statement {
	p.advance()
	b := &ast.InsertBulk{Pos: at, Table: p.objectName()}
	if p.accept("(") {
		for {
			c := &ast.ColumnDef{Pos: p.here(), Name: p.name(), Type: p.typeName()}
			if p.accept("COLLATE") {
				c.Type.Collation = p.anyWord()
			}
			b.Columns = append(b.Columns, c)
			if !p.accept(",") {
				break
			}
		}
		p.expect(")")
	}
	if p.is("WITH") {
		p.advance()
		b.Options = p.bulkOptions()
	}
	return b
}

// bulkOptions reads ( TABLOCK, ORDER (…), … ).
func (p *parser) bulkOptions() []ast.Option {
	return p.hintList()
}

func (p *parser) truncate() ast.Statement {
	at := p.here()
	p.advance()
	p.expect("TABLE")
	t := &ast.TruncateTable{Pos: at, Name: p.objectName()}
	if p.is("WITH") && p.isAhead(1, "(") {
		p.advance()
		p.skipParens()
	}
	return t
}
