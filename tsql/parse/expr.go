package parse

import (
	"linkspan/sqlerr"
	"linkspan/tsql/ast"
)

// condition reads what WHERE, IF and the like want; a plain value is 4145.
func (p *parser) condition() ast.Expr {
	x := p.either()
	p.wantCondition(x)
	return x
}

func (p *parser) wantCondition(x ast.Expr) {
	if p.err == nil && !ast.IsCondition(x) {
		t := p.tok()
		if t.kind == tEOF && p.i > 0 {
			t = &p.toks[p.i-1]
		}
		p.fail(sqlerr.New(4145, head(p.text(t))).WithLine(int(t.line)))
	}
}

// either reads a condition or a scalar expression, whichever stands here.
func (p *parser) either() ast.Expr {
	if !p.enter() {
		return &ast.Literal{}
	}
	defer p.leave()
	return p.chain("OR", p.conjunction)
}

func (p *parser) conjunction() ast.Expr { return p.chain("AND", p.negation) }

// chain reads terms joined by one of OR and AND into one node.
func (p *parser) chain(op string, term func() ast.Expr) ast.Expr {
	at := p.here()
	first := term()
	if !p.is(op) {
		return first
	}
	p.wantCondition(first)
	l := &ast.Logic{Pos: at, Or: op == "OR", Terms: []ast.Expr{first}}
	for p.accept(op) {
		x := term()
		p.wantCondition(x)
		l.Terms = append(l.Terms, x)
	}
	return l
}

func (p *parser) negation() ast.Expr {
	if !p.is("NOT") {
		return p.predicate()
	}
	n := &ast.Not{Pos: p.here()}
	p.advance()
	if !p.enter() {
		return n
	}
	defer p.leave()
	n.X = p.negation()
	p.wantCondition(n.X)
	return n
}

// predicate reads one condition without AND, OR and NOT, or just a value.
func (p *parser) predicate() ast.Expr {
	if p.is("EXISTS") {
		x := &ast.Exists{Pos: p.here()}
		p.advance()
		x.Query = p.subquery()
		return x
	}
	left := p.maybeParenthesised()
	if p.err != nil || ast.IsCondition(left) {
		return left
	}
	return p.predicateTail(left)
}

// maybeParenthesised reads a scalar expression or a condition in parentheses; only after the closing one is known
// which it is, so an expression that began with a parenthesis is continued from there.
func (p *parser) maybeParenthesised() ast.Expr {
	if !p.is("(") || p.startsQuery(1) {
		return p.scalar()
	}
	p.advance()
	x := p.either()
	p.expect(")")
	if p.err != nil || ast.IsCondition(x) {
		return x
	}
	return p.infix(p.postfix(x), 0)
}

// comparisons maps the spellings of comparison operators.
var comparisons = map[string]string{
	"=": "=", "<>": "<>", "!=": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "!<": ">=", "!>": "<=",
}

func (p *parser) predicateTail(left ast.Expr) ast.Expr {
	at := p.here()
	if op, ok := comparisons[p.tok().word]; ok && p.tok().kind == tOp {
		p.advance()
		return p.comparison(at, op, left)
	}
	not := p.is("NOT") && (p.isAhead(1, "LIKE") || p.isAhead(1, "IN") || p.isAhead(1, "BETWEEN"))
	if not {
		p.advance()
	}
	switch {
	case p.accept("LIKE"):
		x := &ast.Like{Pos: at, Not: not, X: left, Pattern: p.scalar()}
		if p.accept("ESCAPE") {
			x.Escape = p.scalar()
		}
		return x
	case p.accept("BETWEEN"):
		x := &ast.Between{Pos: at, Not: not, X: left, Low: p.scalar()}
		p.expect("AND")
		x.High = p.scalar()
		return x
	case p.accept("IN"):
		x := &ast.In{Pos: at, Not: not, X: left}
		if p.startsQuery(1) {
			x.Query = p.subquery()
			return x
		}
		p.expect("(")
		x.List = p.scalarList()
		p.expect(")")
		return x
	case p.accept("IS"):
		return p.isTail(at, left)
	}
	return left
}

func (p *parser) isTail(at ast.Pos, left ast.Expr) ast.Expr {
	not := p.accept("NOT")
	if p.accept("DISTINCT") {
		p.expect("FROM")
		return &ast.IsDistinct{Pos: at, Not: not, L: left, R: p.scalar()}
	}
	p.expect("NULL")
	return &ast.IsNull{Pos: at, Not: not, X: left}
}

func (p *parser) comparison(at ast.Pos, op string, left ast.Expr) ast.Expr {
	if all := p.is("ALL"); (all || p.is("ANY") || p.is("SOME")) && p.isAhead(1, "(") {
		p.advance()
		return &ast.CompareQuery{Pos: at, Op: op, L: left, All: all, Query: p.subquery()}
	}
	return &ast.Compare{Pos: at, Op: op, L: left, R: p.scalar()}
}

// scalarList reads a, b, …; at least one.
func (p *parser) scalarList() []ast.Expr {
	var list []ast.Expr
	for {
		list = append(list, p.scalar())
		if !p.accept(",") {
			return list
		}
	}
}

// Precedences of the operators of scalar expressions (Transact-SQL reference, "Operator Precedence").
const (
	precAdd = iota + 1
	precMul
)

func precedence(t *token) int {
	if t.kind != tOp {
		return 0
	}
	switch t.word {
	case "*", "/", "%":
		return precMul
	case "+", "-", "&", "|", "^", "||", "<<", ">>":
		return precAdd
	}
	return 0
}

// scalar reads a value.
func (p *parser) scalar() ast.Expr { return p.scalarFrom(0) }

// scalarFrom reads a value with the operators that bind tighter than min.
func (p *parser) scalarFrom(min int) ast.Expr {
	if !p.enter() {
		return &ast.Literal{}
	}
	defer p.leave()
	return p.infix(p.prefix(), min)
}

// infix continues left with the operators that bind tighter than min.
func (p *parser) infix(left ast.Expr, min int) ast.Expr {
	for n := 0; p.err == nil; n++ {
		t := p.tok()
		prec := precedence(t)
		if prec <= min {
			return left
		}
		if n >= maxChain {
			p.fail(sqlerr.New(8632))
			return left
		}
		b := &ast.Binary{Pos: p.here(), Op: t.word, L: left}
		p.advance()
		b.R = p.scalarFrom(prec)
		left = b
	}
	return left
}

// prefix reads an operand with its signs. A minus binds looser than * and /, as it does on SQL Server, where
// -100/-100*10 is 0.
func (p *parser) prefix() ast.Expr {
	t := p.tok()
	if t.kind != tOp {
		return p.postfix(p.primary())
	}
	switch t.word {
	case "-", "+":
		u := &ast.Unary{Pos: p.here(), Op: t.word}
		p.advance()
		u.X = p.scalarFrom(precAdd)
		return u
	case "~":
		u := &ast.Unary{Pos: p.here(), Op: t.word}
		p.advance()
		u.X = p.scalarFrom(precMul)
		return u
	}
	return p.postfix(p.primary())
}

// postfix reads COLLATE and AT TIME ZONE after an operand.
func (p *parser) postfix(x ast.Expr) ast.Expr {
	for n := 0; p.err == nil && n < maxDepth; n++ {
		at := p.here()
		switch {
		case p.accept("COLLATE"):
			x = &ast.Collate{Pos: at, X: x, Collation: p.anyWord()}
		case p.is("AT") && p.isSeq("AT", "TIME", "ZONE"):
			p.acceptSeq("AT", "TIME", "ZONE")
			x = &ast.AtTimeZone{Pos: at, X: x, Zone: p.prefix()}
		default:
			return x
		}
	}
	return x
}

func (p *parser) primary() ast.Expr {
	t := p.tok()
	at := pos(t)
	switch t.kind {
	case tString, tNString, tInteger, tDecimal, tFloat, tMoney, tHex:
		p.advance()
		return p.literal(t)
	case tVariable:
		v := &ast.Variable{Pos: at, Name: p.raw(t)}
		p.useScalar(at, v.Name)
		p.advance()
		return v
	case tSystem:
		v := &ast.SystemVariable{Pos: at, Name: upperASCII(p.raw(t))}
		p.advance()
		return v
	case tQuoted:
		return p.nameExpr()
	case tWord:
		return p.wordExpr()
	case tOp:
		switch t.word {
		case "(":
			return p.parenthesised()
		case ".":
			return p.nameExpr()
		case "{":
			return p.odbc()
		}
	}
	p.unexpected()
	return &ast.Literal{Pos: at}
}

// parenthesised reads (query) or (value).
func (p *parser) parenthesised() ast.Expr {
	at := p.here()
	if p.startsQuery(1) {
		return &ast.Subquery{Pos: at, Query: p.subquery()}
	}
	p.advance()
	x := p.scalar()
	p.expect(")")
	return x
}

// odbc reads an ODBC escape: {fn f(x)}, {d '…'}, {t '…'}, {ts '…'}, {guid '…'}.
func (p *parser) odbc() ast.Expr {
	at := p.here()
	p.advance()
	if p.accept("FN") {
		x := p.scalar()
		p.expect("}")
		return x
	}
	types := map[string]string{"D": "date", "T": "time", "TS": "datetime", "GUID": "uniqueidentifier"}
	name := types[p.upper(p.tok())]
	if name == "" || p.tok().kind != tWord {
		p.unexpected()
		return &ast.Literal{Pos: at}
	}
	p.advance()
	x := &ast.Cast{Pos: at, X: p.literalOnly(), Type: ast.TypeName{Pos: at, Name: name}}
	p.expect("}")
	return x
}

// literalOnly reads a string literal as an expression.
func (p *parser) literalOnly() ast.Expr {
	t := p.tok()
	if !p.isString() {
		p.unexpected()
		return &ast.Literal{Pos: pos(t)}
	}
	p.advance()
	return p.literal(t)
}
