package parse

import (
	"linkspan/sqlerr"
	"linkspan/tsql/ast"
)

// sources reads the items of FROM.
func (p *parser) sources() []ast.Source {
	var list []ast.Source
	for {
		list = append(list, p.joined())
		if !p.accept(",") {
			return list
		}
	}
}

func (p *parser) joined() ast.Source {
	if !p.enter() {
		return &ast.TableName{}
	}
	defer p.leave()
	left := p.sourcePrimary()
	for n := 0; p.err == nil; n++ {
		kind, ok := p.joinKind()
		if !ok {
			return left
		}
		if n >= maxChain {
			p.fail(sqlerr.New(8632))
		}
		left = p.joinTail(left, kind)
	}
	return left
}

// joinTail reads the right side of a join whose kind is read. In a JOIN b JOIN c ON … ON …, the right side of the first
// is itself a join.
func (p *parser) joinTail(left ast.Source, kind string) ast.Source {
	j := &ast.Join{Pos: p.here(), Kind: kind, Left: left}
	if !p.enter() {
		return j
	}
	defer p.leave()
	j.Right = p.sourcePrimary()
	if kind == "CROSS" || kind == "CROSS APPLY" || kind == "OUTER APPLY" {
		return j
	}
	for !p.is("ON") && p.err == nil {
		k, ok := p.joinKind()
		if !ok {
			break
		}
		j.Right = p.joinTail(j.Right, k)
	}
	p.expect("ON")
	j.On = p.condition()
	return j
}

// joinKind passes the words that begin a join.
func (p *parser) joinKind() (string, bool) {
	switch {
	case p.accept("JOIN"):
		return "INNER", true
	case p.acceptSeq("CROSS", "JOIN"):
		return "CROSS", true
	case p.acceptSeq("CROSS", "APPLY"):
		return "CROSS APPLY", true
	case p.acceptSeq("OUTER", "APPLY"):
		return "OUTER APPLY", true
	}
	for _, k := range []string{"INNER", "LEFT", "RIGHT", "FULL"} {
		if !p.is(k) {
			continue
		}
		p.advance()
		if k != "INNER" {
			p.accept("OUTER")
		}
		if p.is("LOOP") || p.is("HASH") || p.is("MERGE") || p.is("REMOTE") {
			p.advance()
		}
		p.expect("JOIN")
		return k, true
	}
	return "", false
}

func (p *parser) sourcePrimary() ast.Source {
	s := p.sourceOperand()
	for p.err == nil && (p.is("PIVOT") || p.is("UNPIVOT")) {
		v := &ast.Pivot{Pos: p.here(), Unpivot: p.is("UNPIVOT"), Source: s}
		p.advance()
		p.skipParens()
		v.Alias, _ = p.sourceAlias()
		s = v
	}
	return s
}

func (p *parser) sourceOperand() ast.Source {
	t := p.tok()
	at := pos(t)
	switch {
	case t.kind == tVariable:
		v := &ast.TableVariable{Pos: at, Name: p.raw(t)}
		p.useTable(at, v.Name)
		p.advance()
		v.Alias, _ = p.sourceAlias()
		p.tableHints()
		return v
	case p.is("("):
		return p.parenthesisedSource()
	case p.is("OPENROWSET"), p.is("OPENQUERY"), p.is("OPENDATASOURCE"), p.is("OPENXML"), p.is("CONTAINSTABLE"), p.is("FREETEXTTABLE"):
		f := &ast.FunctionTable{Pos: at, Call: &ast.Func{Pos: at, Name: ast.ObjectName{Pos: at, Name: p.upper(t)}}}
		p.advance()
		p.skipParens()
		for p.accept(".") {
			p.name()
		}
		f.Alias, f.Columns = p.sourceAlias()
		return f
	}
	n := p.objectName()
	if p.is("(") && p.err == nil && !p.oldHint() {
		return p.functionTable(n)
	}
	src := &ast.TableName{Pos: at, Name: n}
	if p.acceptSeq("FOR", "SYSTEM_TIME") {
		p.unexpected()
	}
	if p.is("TABLESAMPLE") {
		p.advance()
		p.accept("SYSTEM")
		p.skipParens()
	}
	src.Hints = p.oldHints()
	src.Alias, src.Columns = p.sourceAlias()
	if p.is("TABLESAMPLE") {
		p.advance()
		p.accept("SYSTEM")
		p.skipParens()
	}
	src.Hints = append(src.Hints, p.oldHints()...)
	src.Hints = append(src.Hints, p.tableHints()...)
	return src
}

// oldHint reports whether (NOLOCK) and the like stand here without WITH.
func (p *parser) oldHint() bool {
	switch p.upper(p.ahead(1)) {
	case "NOLOCK", "READUNCOMMITTED", "UPDLOCK", "HOLDLOCK", "TABLOCK", "TABLOCKX", "ROWLOCK", "PAGLOCK", "READPAST", "XLOCK",
		"READCOMMITTED", "REPEATABLEREAD", "SERIALIZABLE", "NOWAIT", "NOEXPAND":
		return p.ahead(1).kind == tWord && (p.isAhead(2, ")") || p.isAhead(2, ","))
	}
	return false
}

func (p *parser) oldHints() []ast.Option {
	if p.err == nil && p.is("(") && p.oldHint() {
		return p.hintList()
	}
	return nil
}

func (p *parser) functionTable(n ast.ObjectName) ast.Source {
	f := &ast.FunctionTable{Pos: n.Pos}
	call, _ := p.call(n).(*ast.Func)
	f.Call = call
	if p.is("WITH") && p.isAhead(1, "(") && p.tokenNamed(n, "OPENJSON") {
		p.advance()
		d := p.tableDef()
		f.With = d.Columns
	}
	f.Alias, f.Columns = p.sourceAlias()
	p.tableHints()
	return f
}

func (p *parser) tokenNamed(n ast.ObjectName, s string) bool {
	return upperASCII(n.Name) == s
}

// parenthesisedSource reads (query) alias, (VALUES …) alias, or (a JOIN b …).
func (p *parser) parenthesisedSource() ast.Source {
	at := p.here()
	if p.isAhead(1, "VALUES") {
		p.advance()
		v := &ast.ValuesTable{Pos: at}
		p.advance()
		v.Rows = p.rows()
		p.expect(")")
		v.Alias, v.Columns = p.sourceAlias()
		return v
	}
	if p.startsQuery(1) {
		d := &ast.Derived{Pos: at, Query: p.subquery()}
		d.Alias, d.Columns = p.sourceAlias()
		if d.Alias == "" {
			p.unexpected()
		}
		return d
	}
	p.advance()
	s := p.joined()
	p.expect(")")
	return s
}

// sourceAlias reads [AS] alias [(columns)].
func (p *parser) sourceAlias() (string, []ast.Ident) {
	var alias string
	switch {
	case p.err != nil:
		return "", nil
	case p.accept("AS"):
		alias = p.name()
	case isName(p.tok()) && !p.startsPlainStatement() && !p.notAlias():
		alias = p.name()
	default:
		return "", nil
	}
	if p.is("(") && !p.oldHint() && isName(p.ahead(1)) && (p.isAhead(2, ",") || p.isAhead(2, ")")) {
		return alias, p.identList()
	}
	return alias, nil
}

// notAlias reports whether a word that could be an alias goes on with the clause: OUTPUT of a data change, WHEN and
// USING of MERGE, WINDOW.
func (p *parser) notAlias() bool {
	switch p.tok().word {
	case "OUTPUT", "USING", "WINDOW":
		return p.tok().kind == tWord
	}
	return false
}

// tableHints reads WITH (…).
func (p *parser) tableHints() []ast.Option {
	if !p.is("WITH") || !p.isAhead(1, "(") {
		return nil
	}
	p.advance()
	return p.hintList()
}

func (p *parser) hintList() []ast.Option {
	p.expect("(")
	var list []ast.Option
	for p.err == nil {
		o := ast.Option{Pos: p.here(), Name: upperASCII(p.anyWord())}
		switch {
		case p.accept("="):
			if p.is("(") {
				p.skipParens()
			} else {
				o.Value = p.optionValue()
			}
		case p.is("("):
			p.skipParens()
		}
		list = append(list, o)
		if !p.accept(",") && p.is(")") {
			break
		}
	}
	p.expect(")")
	return list
}

// rows reads (…), (…) of VALUES.
func (p *parser) rows() [][]ast.Expr {
	var rows [][]ast.Expr
	for {
		p.expect("(")
		var row []ast.Expr
		for {
			at := p.here()
			if p.accept("DEFAULT") {
				row = append(row, &ast.Default{Pos: at})
			} else {
				row = append(row, p.scalar())
			}
			if !p.accept(",") {
				break
			}
		}
		p.expect(")")
		rows = append(rows, row)
		if !p.accept(",") {
			return rows
		}
	}
}
