package parse

import (
	"linkspan/tsql/ast"
)

func (p *parser) execute() ast.Statement {
	at := p.here()
	p.advance()
	if p.is("AS") {
		return p.executeAs(at)
	}
	e := &ast.Execute{Pos: at}
	if p.is("(") {
		return p.executeText(e)
	}
	if t := p.tok(); t.kind == tVariable && p.isAhead(1, "=") {
		e.Return = p.raw(t)
		p.useScalar(pos(t), e.Return)
		p.advance()
		p.advance()
	}
	return p.procedureCall(e)
}

// executeText reads EXEC (…).
func (p *parser) executeText(e *ast.Execute) ast.Statement {
	p.advance()
	e.SQL = p.scalar()
	for p.accept(",") {
		e.Args = append(e.Args, p.execArg())
	}
	p.expect(")")
	if p.is("AS") && (p.isAhead(1, "LOGIN") || p.isAhead(1, "USER")) {
		p.advance()
		p.advance()
		p.expect("=")
		e.AsUser = p.str()
	}
	if p.is("AT") {
		p.advance()
		p.accept("DATA_SOURCE")
		e.At = p.name()
	}
	return e
}

// procedureCall reads the name and the arguments.
func (p *parser) procedureCall(e *ast.Execute) ast.Statement {
	if t := p.tok(); t.kind == tVariable {
		e.ProcVariable = p.raw(t)
		p.useScalar(pos(t), e.ProcVariable)
		p.advance()
	} else {
		e.Proc = p.objectName()
		if p.accept(";") { // name;number of grouped procedures
			if p.tok().kind == tInteger {
				p.advance()
			} else {
				return e
			}
		}
	}
	if p.startsArg() {
		for {
			e.Args = append(e.Args, p.execArg())
			if !p.accept(",") {
				break
			}
		}
	}
	if p.is("WITH") && (p.isAhead(1, "RECOMPILE") || p.isAhead(1, "RESULT")) {
		p.advance()
		o := ast.Option{Pos: p.here(), Name: p.upper(p.tok())}
		p.advance()
		if o.Name == "RESULT" {
			o.Name = "RESULT SETS"
			p.expect("SETS")
			if p.is("(") {
				p.skipParens()
			} else {
				p.oneOf("NONE", "UNDEFINED")
			}
		}
		e.Options = append(e.Options, o)
	}
	return e
}

// startsArg reports whether an argument begins here, rather than the next statement.
func (p *parser) startsArg() bool {
	t := p.tok()
	switch t.kind {
	case tString, tNString, tInteger, tDecimal, tFloat, tMoney, tHex, tVariable, tSystem, tQuoted:
		return true
	case tOp:
		return p.is("-") || p.is("+")
	case tWord:
		return p.is("NULL") || p.is("DEFAULT") || !t.reserved && !p.startsPlainStatement() && !p.is("THROW")
	}
	return false
}

func (p *parser) execArg() ast.ExecArg {
	t := p.tok()
	a := ast.ExecArg{Pos: pos(t)}
	if t.kind == tVariable && p.isAhead(1, "=") {
		a.Name = p.raw(t)
		p.advance()
		p.advance()
	}
	a.Value = p.execValue()
	if p.is("OUTPUT") || p.is("OUT") {
		p.advance()
		a.Output = true
	}
	return a
}

// execValue reads a constant, a variable, DEFAULT or a bare word, which stands for a string. Nothing else may be an
// argument.
func (p *parser) execValue() ast.Expr {
	t := p.tok()
	at := pos(t)
	switch {
	case p.accept("DEFAULT"):
		return &ast.Default{Pos: at}
	case p.accept("NULL"):
		return &ast.Literal{Pos: at, Kind: ast.LitNull}
	case t.kind == tVariable && p.scope != nil && p.scope.tables[lower(p.raw(t))]:
		p.advance()
		return &ast.Variable{Pos: at, Name: p.raw(t)}
	case isName(t):
		n := p.objectName() // a dotted name is a string too
		return &ast.Literal{Pos: at, Kind: ast.LitNString, Text: n.String()}
	case p.is("-"), p.is("+"):
		u := &ast.Unary{Pos: at, Op: t.word}
		p.advance()
		u.X = p.execValue()
		return u
	case t.kind == tWord || t.kind == tOp:
		p.unexpected()
		return &ast.Literal{Pos: at}
	}
	return p.primary()
}

func (p *parser) executeAs(at ast.Pos) ast.Statement {
	p.advance()
	e := &ast.ExecuteAs{Pos: at, Kind: p.oneOf("CALLER", "USER", "LOGIN", "SELF", "OWNER")}
	if p.accept("=") {
		e.Name = p.primary()
	}
	if p.is("WITH") {
		p.advance()
		if e.With = upperASCII(p.anyWord()); e.With == "NO" {
			p.expect("REVERT")
			e.With = "NO REVERT"
		}
		if p.accept("INTO") || p.accept("=") {
			p.primary()
		}
	}
	return e
}

func (p *parser) revert() ast.Statement {
	e := &ast.ExecuteAs{Pos: p.here(), Revert: true}
	p.advance()
	if p.is("WITH") && p.isAhead(1, "COOKIE") {
		p.advance()
		p.advance()
		e.With = "COOKIE"
		p.expect("=")
		p.primary()
	}
	return e
}
