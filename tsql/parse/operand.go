package parse

import (
	"strings"

	"linkspan/tsql/ast"
)

// literalKinds maps tokens to literals.
var literalKinds = map[kind]ast.LiteralKind{
	tString: ast.LitString, tNString: ast.LitNString, tInteger: ast.LitInteger, tDecimal: ast.LitDecimal,
	tFloat: ast.LitFloat, tMoney: ast.LitMoney, tHex: ast.LitBinary,
}

func (p *parser) literal(t *token) *ast.Literal {
	l := &ast.Literal{Pos: pos(t), Kind: literalKinds[t.kind], Text: p.text(t)}
	switch t.kind {
	case tHex:
		l.Text = l.Text[2:]
	case tMoney:
		if l.Text = strings.ReplaceAll(l.Text[1:], ",", ""); l.Text == "" {
			l.Text = "0"
		}
	}
	return l
}

func upperASCII(s string) string { return strings.ToUpper(s) }

func lower(s string) string { return strings.ToLower(s) }

// wordExpr reads an operand that begins with a word.
func (p *parser) wordExpr() ast.Expr {
	t := p.tok()
	at := pos(t)
	switch t.word {
	case "NULL":
		p.advance()
		return &ast.Literal{Pos: at, Kind: ast.LitNull}
	case "CASE":
		return p.caseExpr()
	case "CONVERT", "TRY_CONVERT":
		return p.convert()
	case "NEXT":
		if p.acceptSeq("NEXT", "VALUE", "FOR") {
			return &ast.NextValue{Pos: at, Sequence: p.objectName()}
		}
	case "CURRENT_TIMESTAMP", "CURRENT_USER", "SESSION_USER", "SYSTEM_USER", "USER", "CURRENT_DATE":
		p.advance()
		return &ast.Func{Pos: at, Name: ast.ObjectName{Pos: at, Name: t.word}}
	case "LEFT", "RIGHT", "COALESCE", "NULLIF", "IDENTITY", "CONTAINS", "FREETEXT", "UPDATE":
		if p.isAhead(1, "(") {
			p.advance()
			return p.call(ast.ObjectName{Pos: at, Name: p.raw(t)})
		}
	case "IDENTITYCOL", "ROWGUIDCOL":
		p.advance()
		return &ast.Column{Pos: at, Name: p.raw(t)}
	}
	if !p.isAhead(1, "(") {
		return p.nameExpr()
	}
	switch {
	case p.is("CAST"), p.is("TRY_CAST"):
		return p.cast()
	case p.is("PARSE"), p.is("TRY_PARSE"):
		return p.parseFunc()
	case p.is("IIF"):
		return p.iif()
	}
	return p.nameExpr()
}

// nameExpr reads a column or a function call.
func (p *parser) nameExpr() ast.Expr {
	at := p.here()
	n := p.objectName()
	if p.is("(") && p.err == nil {
		return p.call(n)
	}
	if p.is("::") && p.err == nil { // type::method(…) of CLR types
		p.unexpected()
	}
	c := &ast.Column{Pos: at, Name: n.Name}
	if n.Schema != "" {
		c.Table = ast.ObjectName{Pos: at, Server: "", Database: n.Server, Schema: n.Database, Name: n.Schema}
	}
	return c
}

func (p *parser) caseExpr() ast.Expr {
	c := &ast.Case{Pos: p.here()}
	p.advance()
	searched := p.is("WHEN")
	if !searched {
		c.Operand = p.scalar()
	}
	for p.accept("WHEN") {
		var w ast.When
		if searched {
			w.Cond = p.condition()
		} else {
			w.Cond = p.scalar()
		}
		p.expect("THEN")
		w.Result = p.scalar()
		c.Whens = append(c.Whens, w)
	}
	if len(c.Whens) == 0 {
		p.unexpected()
	}
	if p.accept("ELSE") {
		c.Else = p.scalar()
	}
	p.expect("END")
	return c
}

func (p *parser) cast() ast.Expr {
	c := &ast.Cast{Pos: p.here(), Try: p.is("TRY_CAST")}
	p.advance()
	p.expect("(")
	c.X = p.scalar()
	p.expect("AS")
	c.Type = p.typeName()
	p.expect(")")
	return c
}

func (p *parser) convert() ast.Expr {
	c := &ast.Convert{Pos: p.here(), Try: p.is("TRY_CONVERT")}
	p.advance()
	p.expect("(")
	c.Type = p.typeName()
	p.expect(",")
	c.X = p.scalar()
	if p.accept(",") {
		c.Style = p.scalar()
	}
	p.expect(")")
	return c
}

func (p *parser) parseFunc() ast.Expr {
	c := &ast.Parse{Pos: p.here(), Try: p.is("TRY_PARSE")}
	p.advance()
	p.expect("(")
	c.X = p.scalar()
	p.expect("AS")
	c.Type = p.typeName()
	if p.accept("USING") {
		c.Culture = p.scalar()
	}
	p.expect(")")
	return c
}

func (p *parser) iif() ast.Expr {
	at := p.here()
	f := &ast.Func{Pos: at, Name: ast.ObjectName{Pos: at, Name: p.raw(p.tok())}}
	p.advance()
	p.expect("(")
	f.Args = append(f.Args, p.condition())
	p.expect(",")
	f.Args = append(f.Args, p.scalar())
	p.expect(",")
	f.Args = append(f.Args, p.scalar())
	p.expect(")")
	return f
}

// call reads the arguments and the OVER clause of a function; the name is read already.
func (p *parser) call(n ast.ObjectName) ast.Expr {
	f := &ast.Func{Pos: n.Pos, Name: n}
	if !p.enter() {
		return f
	}
	defer p.leave()
	p.expect("(")
	if p.accept("DISTINCT") {
		f.Distinct = true
	} else {
		p.accept("ALL")
	}
	for !p.is(")") && p.err == nil {
		f.Args = append(f.Args, p.argument())
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	p.callTail(f)
	return f
}

func (p *parser) argument() ast.Expr {
	at := p.here()
	if p.accept("*") {
		return &ast.Star{Pos: at}
	}
	if p.accept("DEFAULT") {
		return &ast.Default{Pos: at}
	}
	return p.scalar()
}

func (p *parser) callTail(f *ast.Func) {
	if p.acceptSeq("WITHIN", "GROUP") {
		p.expect("(")
		p.expect("ORDER", "BY")
		f.WithinGroup = p.orderItems()
		p.expect(")")
	}
	if p.acceptSeq("IGNORE", "NULLS") {
		f.IgnoreNulls = true
	} else {
		p.acceptSeq("RESPECT", "NULLS")
	}
	if p.is("OVER") {
		f.Over = p.over()
	}
}

func (p *parser) over() *ast.Over {
	o := &ast.Over{Pos: p.here()}
	p.advance()
	if !p.is("(") {
		o.Window = p.name()
		return o
	}
	p.window(o)
	return o
}

// window reads ( [PARTITION BY …] [ORDER BY …] [frame] ).
func (p *parser) window(o *ast.Over) {
	p.expect("(")
	if isName(p.tok()) && !p.is("PARTITION") && !p.is("ROWS") && !p.is("RANGE") {
		o.Window = p.name()
	}
	if p.acceptSeq("PARTITION", "BY") {
		o.PartitionBy = p.scalarList()
	}
	if p.acceptSeq("ORDER", "BY") {
		o.OrderBy = p.orderItems()
	}
	if p.is("ROWS") || p.is("RANGE") {
		o.Unit = p.upper(p.tok())
		p.advance()
		if p.accept("BETWEEN") {
			o.From = p.frameBound()
			p.expect("AND")
			o.To = p.frameBound()
		} else {
			o.From = p.frameBound()
			o.To = ast.FrameBound{Kind: "CURRENT ROW"}
		}
	}
	p.expect(")")
}

func (p *parser) frameBound() ast.FrameBound {
	switch {
	case p.acceptSeq("UNBOUNDED", "PRECEDING"):
		return ast.FrameBound{Kind: "UNBOUNDED PRECEDING"}
	case p.acceptSeq("UNBOUNDED", "FOLLOWING"):
		return ast.FrameBound{Kind: "UNBOUNDED FOLLOWING"}
	case p.acceptSeq("CURRENT", "ROW"):
		return ast.FrameBound{Kind: "CURRENT ROW"}
	}
	b := ast.FrameBound{Count: p.scalar()}
	b.Kind = p.oneOf("PRECEDING", "FOLLOWING")
	return b
}

func (p *parser) orderItems() []ast.OrderItem {
	var list []ast.OrderItem
	for {
		it := ast.OrderItem{Pos: p.here(), Expr: p.scalar()}
		if p.accept("DESC") {
			it.Desc = true
		} else {
			p.accept("ASC")
		}
		list = append(list, it)
		if !p.accept(",") {
			return list
		}
	}
}
