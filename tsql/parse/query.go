package parse

import (
	"strings"

	"linkspan/sqlerr"
	"linkspan/tsql/ast"
)

// startsQuery reports whether the parenthesis n-1 places on opens a query. Behind more than one parenthesis only what
// follows the inner pair tells ((SELECT …) UNION …) from ((SELECT …) + 1).
func (p *parser) startsQuery(n int) bool {
	if !p.isAhead(n-1, "(") {
		return false
	}
	for p.isAhead(n, "(") {
		m := n
		for p.isAhead(m, "(") {
			m++
		}
		if !p.isAhead(m, "SELECT") && !p.isAhead(m, "WITH") {
			return false
		}
		after := p.ahead(p.closing(n) + 1)
		switch after.word {
		case ")", "UNION", "EXCEPT", "INTERSECT", "ORDER":
		default:
			return false
		}
		n++
	}
	return p.isAhead(n, "SELECT") || p.isAhead(n, "WITH")
}

// closing is how many places on the parenthesis stands that closes the one n places on.
func (p *parser) closing(n int) int {
	for depth := 0; p.ahead(n).kind != tEOF; n++ {
		if p.isAhead(n, "(") {
			depth++
		} else if p.isAhead(n, ")") {
			if depth--; depth == 0 {
				break
			}
		}
	}
	return n
}

// subquery reads (query).
func (p *parser) subquery() *ast.Select {
	if !p.enter() {
		return &ast.Select{}
	}
	defer p.leave()
	p.expect("(")
	q := p.selectStatement(false)
	p.expect(")")
	return q
}

// selectStatement reads a query expression with its ORDER BY; a statement may also have FOR and OPTION.
func (p *parser) selectStatement(statement bool) *ast.Select {
	s := &ast.Select{Pos: p.here()}
	if p.is("WITH") {
		s.With = p.ctes()
	}
	p.selectRest(s, statement)
	return s
}

// selectRest reads what follows the common table expressions.
func (p *parser) selectRest(s *ast.Select, statement bool) {
	s.Body = p.setOps(0)
	if p.acceptSeq("ORDER", "BY") {
		s.OrderBy = p.orderItems()
		p.offset(s)
	}
	if p.is("FOR") && (p.isAhead(1, "XML") || p.isAhead(1, "JSON") || p.isAhead(1, "BROWSE")) {
		p.forClause(s)
	}
	if statement && p.is("OPTION") {
		s.Hints = p.queryHints()
	}
}

func (p *parser) offset(s *ast.Select) {
	if !p.accept("OFFSET") {
		return
	}
	s.Offset = p.scalar()
	p.oneOf("ROWS", "ROW")
	if p.accept("FETCH") {
		p.oneOf("NEXT", "FIRST")
		s.Fetch = p.scalar()
		p.oneOf("ROWS", "ROW")
		p.expect("ONLY")
	}
}

func (p *parser) forClause(s *ast.Select) {
	p.advance()
	s.For = p.upper(p.tok())
	p.advance()
	if s.For != "BROWSE" {
		s.For += " " + p.oneOf("PATH", "AUTO", "RAW", "EXPLICIT")
		if p.is("(") {
			p.advance()
			s.ForOptions = append(s.ForOptions, ast.Option{Pos: p.here(), Name: "ELEMENT", Value: p.literalOnly()})
			p.expect(")")
		}
	}
	for p.accept(",") {
		o := ast.Option{Pos: p.here(), Name: p.upper(p.tok())}
		p.anyWord()
		if p.accept("(") {
			o.Value = p.literalOnly()
			p.expect(")")
		}
		s.ForOptions = append(s.ForOptions, o)
	}
}

// queryHints reads OPTION (…).
func (p *parser) queryHints() []ast.Option {
	p.advance()
	p.expect("(")
	var list []ast.Option
	for {
		o := ast.Option{Pos: p.here()}
		var ws []string
		for (p.tok().kind == tWord || p.tok().kind == tInteger) && p.err == nil {
			ws = append(ws, p.upper(p.tok()))
			p.advance()
		}
		o.Name = strings.Join(ws, " ")
		if len(ws) == 0 {
			p.unexpected()
		}
		if p.accept("=") {
			o.Value = p.scalar()
		} else if p.is("(") {
			p.skipParens()
		}
		list = append(list, o)
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	return list
}

// skipParens passes a balanced pair of parentheses with whatever is inside.
func (p *parser) skipParens() {
	depth := 0
	for p.err == nil {
		switch {
		case p.atEnd():
			p.unexpected()
			return
		case p.is("("):
			depth++
		case p.is(")"):
			depth--
		}
		p.advance()
		if depth == 0 {
			return
		}
	}
}

func (p *parser) ctes() []*ast.CTE {
	p.advance()
	var list []*ast.CTE
	for {
		c := &ast.CTE{Pos: p.here(), Name: p.name()}
		if p.is("(") {
			c.Columns = p.identList()
		}
		p.expect("AS")
		c.Query = p.subquery()
		list = append(list, c)
		if !p.accept(",") {
			return list
		}
	}
}

// setOps reads query bodies joined by UNION, EXCEPT (level 0) and INTERSECT (level 1).
func (p *parser) setOps(level int) ast.Query {
	var left ast.Query
	if level == 0 {
		left = p.setOps(1)
	} else {
		left = p.queryPrimary()
	}
	for n := 0; p.err == nil; n++ {
		op := &ast.SetOp{Pos: p.here(), Left: left}
		switch {
		case level == 0 && p.accept("UNION"):
			op.Op, op.All = "UNION", p.accept("ALL")
		case level == 0 && p.accept("EXCEPT"):
			op.Op = "EXCEPT"
		case level == 1 && p.accept("INTERSECT"):
			op.Op = "INTERSECT"
		default:
			return left
		}
		if n >= maxChain {
			p.fail(sqlerr.New(8632))
		}
		if level == 0 {
			op.Right = p.setOps(1)
		} else {
			op.Right = p.queryPrimary()
		}
		left = op
	}
	return left
}

func (p *parser) queryPrimary() ast.Query {
	if p.is("(") {
		if !p.enter() {
			return &ast.SelectSpec{}
		}
		defer p.leave()
		p.advance()
		q := p.setOps(0)
		p.expect(")")
		return q
	}
	return p.selectSpec()
}

func (p *parser) selectSpec() ast.Query {
	s := &ast.SelectSpec{Pos: p.here()}
	if !p.expect("SELECT") {
		return s
	}
	if p.accept("DISTINCT") {
		s.Distinct = true
	} else {
		p.accept("ALL")
	}
	if p.is("TOP") {
		s.Top = p.top()
	}
	s.Items = p.selectItems()
	if p.accept("INTO") {
		n := p.objectName()
		s.Into = &n
		if p.accept("ON") {
			p.anyWord()
		}
	}
	if p.accept("FROM") {
		s.From = p.sources()
	}
	if p.accept("WHERE") {
		s.Where = p.condition()
	}
	p.grouping(s)
	if p.accept("HAVING") {
		s.Having = p.condition()
	}
	if p.is("WINDOW") && isName(p.ahead(1)) && p.isAhead(2, "AS") {
		p.windows(s)
	}
	return s
}

func (p *parser) grouping(s *ast.SelectSpec) {
	if !p.acceptSeq("GROUP", "BY") {
		return
	}
	p.accept("ALL")
	switch {
	case p.is("GROUPING") && p.isAhead(1, "SETS"):
		s.GroupKind = "GROUPING SETS"
		p.acceptSeq("GROUPING", "SETS")
		p.skipParens()
		return
	case (p.is("ROLLUP") || p.is("CUBE")) && p.isAhead(1, "("):
		s.GroupKind = p.upper(p.tok())
		p.advance()
		p.skipParens()
		return
	}
	s.GroupBy = p.scalarList()
	if p.is("WITH") && (p.isAhead(1, "ROLLUP") || p.isAhead(1, "CUBE")) {
		p.advance()
		s.GroupKind = p.upper(p.tok())
		p.advance()
	}
}

func (p *parser) windows(s *ast.SelectSpec) {
	p.advance()
	for {
		w := ast.NamedWindow{Name: p.name()}
		p.expect("AS")
		w.Over = &ast.Over{Pos: p.here()}
		p.window(w.Over)
		s.Windows = append(s.Windows, w)
		if !p.accept(",") {
			return
		}
	}
}

func (p *parser) top() *ast.Top {
	t := &ast.Top{Pos: p.here()}
	p.advance()
	switch {
	case p.accept("("):
		t.Count = p.scalar()
		p.expect(")")
	default: // the old form takes a number or a variable, and nothing to multiply it with
		t.Count = p.primary()
	}
	t.Percent = p.accept("PERCENT")
	t.WithTies = p.acceptSeq("WITH", "TIES")
	return t
}

func (p *parser) selectItems() []ast.SelectItem {
	var list []ast.SelectItem
	for {
		list = append(list, p.selectItem())
		if !p.accept(",") {
			return list
		}
	}
}

// assignments are the operators that set a variable or column.
var assignments = map[string]bool{"=": true, "+=": true, "-=": true, "*=": true, "/=": true, "%=": true, "&=": true, "^=": true, "|=": true}

func isAssignment(t *token) bool { return t.kind == tOp && assignments[t.word] }

func (p *parser) selectItem() ast.SelectItem {
	t := p.tok()
	it := ast.SelectItem{Pos: pos(t)}
	switch {
	case p.is("*"):
		p.advance()
		it.Expr = &ast.Star{Pos: it.Pos}
		return it
	case t.kind == tVariable && isAssignment(p.ahead(1)):
		it.Variable = p.raw(t)
		p.useScalar(it.Pos, it.Variable)
		p.advance()
		it.Op = p.tok().word
		p.advance()
		it.Expr = p.scalar()
		return it
	case (isName(t) || p.isString()) && p.isAhead(1, "="):
		it.Alias = p.text(t)
		p.advance()
		p.advance()
		it.Expr = p.scalar()
		return it
	case isName(t) && p.isAhead(1, "."):
		if star := p.qualifiedStar(); star != nil {
			it.Expr = star
			return it
		}
	}
	it.Expr = p.scalar()
	it.Alias = p.columnAlias()
	return it
}

// qualifiedStar reads t.*, up to three names before the star; nil when it is no star.
func (p *parser) qualifiedStar() ast.Expr {
	n := 0
	for isName(p.ahead(n)) && p.isAhead(n+1, ".") {
		n += 2
	}
	if !p.isAhead(n, "*") || n > 6 {
		return nil
	}
	at := p.here()
	var parts []string
	for ; n > 0; n -= 2 {
		parts = append(parts, p.text(p.tok()))
		p.advance()
		p.advance()
	}
	p.advance()
	return &ast.Star{Pos: at, Table: nameFrom(at, parts)}
}

func (p *parser) columnAlias() string {
	if p.accept("AS") {
		if p.isString() {
			return p.str()
		}
		return p.name()
	}
	if p.isString() {
		return p.str()
	}
	if isName(p.tok()) && !p.startsPlainStatement() && !p.is("WINDOW") {
		return p.name()
	}
	return ""
}

// startsPlainStatement reports whether a word that is not reserved begins the next statement here: a label.
func (p *parser) startsPlainStatement() bool {
	return p.tok().kind == tWord && p.isAhead(1, ":")
}
