package parse

import (
	"strings"

	"linkspan/sqlerr"
	"linkspan/tsql/ast"
)

func (p *parser) declareStatement() ast.Statement {
	at := p.here()
	p.advance()
	if p.tok().kind != tVariable {
		return p.declareCursor(at)
	}
	d := &ast.Declare{Pos: at}
	for {
		d.Vars = append(d.Vars, p.declaration())
		if !p.accept(",") {
			return d
		}
	}
}

func (p *parser) declaration() ast.DeclaredVariable {
	t := p.tok()
	v := ast.DeclaredVariable{Pos: pos(t)}
	if t.kind != tVariable {
		p.unexpected()
		return v
	}
	v.Name = p.raw(t)
	p.advance()
	p.accept("AS")
	switch {
	case p.accept("TABLE"):
		v.Table = p.tableDef()
		p.declare(v.Pos, v.Name, true)
		return v
	case p.accept("CURSOR"):
		v.Cursor = true
	default:
		v.Type = p.typeName()
		if p.accept("=") {
			v.Value = p.scalar()
		}
	}
	p.declare(v.Pos, v.Name, false)
	return v
}

func (p *parser) declareCursor(at ast.Pos) ast.Statement {
	c := &ast.DeclareCursor{Pos: at, Name: p.name()}
	for p.is("INSENSITIVE") || p.is("SCROLL") {
		c.Options = append(c.Options, p.upper(p.tok()))
		p.advance()
	}
	p.expect("CURSOR")
	p.cursorQuery(c)
	return c
}

// cursorQuery reads the options after CURSOR and the query.
func (p *parser) cursorQuery(c *ast.DeclareCursor) {
	for p.tok().kind == tWord && !p.is("FOR") && p.err == nil {
		c.Options = append(c.Options, p.upper(p.tok()))
		p.advance()
	}
	p.expect("FOR")
	c.Query = p.selectStatement(true)
	if p.accept("FOR") {
		if p.accept("READ") {
			p.expect("ONLY")
		} else {
			p.expect("UPDATE")
			if p.accept("OF") {
				p.nameList()
			}
		}
	}
}

func (p *parser) cursor() ast.Statement {
	c := &ast.CursorStatement{Pos: p.here(), Verb: p.upper(p.tok())}
	p.advance()
	if c.Verb == "FETCH" {
		p.fetchDirection(c)
	}
	p.accept("GLOBAL")
	if t := p.tok(); t.kind == tVariable {
		c.Name = p.raw(t)
		p.useScalar(pos(t), c.Name)
		p.advance()
	} else {
		c.Name = p.name()
	}
	if c.Verb == "FETCH" && p.accept("INTO") {
		for {
			t := p.tok()
			if t.kind != tVariable {
				p.unexpected()
				break
			}
			p.useScalar(pos(t), p.raw(t))
			c.Into = append(c.Into, p.raw(t))
			p.advance()
			if !p.accept(",") {
				break
			}
		}
	}
	return c
}

func (p *parser) fetchDirection(c *ast.CursorStatement) {
	c.Direction = "NEXT"
	for _, d := range []string{"NEXT", "PRIOR", "FIRST", "LAST", "ABSOLUTE", "RELATIVE"} {
		if p.is(d) && !p.isAhead(1, "INTO") {
			p.advance()
			c.Direction = d
			if d == "ABSOLUTE" || d == "RELATIVE" {
				c.Count = p.scalar()
			}
			break
		}
	}
	p.accept("FROM")
}

func (p *parser) openClose() ast.Statement {
	at := p.here()
	w := p.upper(p.tok())
	switch {
	case p.isAhead(1, "MASTER") && p.isAhead(2, "KEY"):
		p.advance()
		p.advance()
		p.advance()
		if w == "CLOSE" {
			return &ast.CloseMasterKey{Pos: at}
		}
		p.expect("DECRYPTION", "BY")
		return &ast.OpenMasterKey{Pos: at, Password: p.password()}
	case p.isAhead(1, "SYMMETRIC"), p.isAhead(1, "ALL"):
		return p.refused(3)
	}
	return p.cursor()
}

func (p *parser) returnStatement() ast.Statement {
	r := &ast.Return{Pos: p.here()}
	p.advance()
	if p.startsValue() {
		r.Value = p.scalar()
		if p.scope != nil && !p.scope.module {
			p.complain(r.Pos, sqlerr.New(178))
		}
	}
	return r
}

// startsValue reports whether an expression begins here, rather than the next statement.
func (p *parser) startsValue() bool {
	t := p.tok()
	switch t.kind {
	case tString, tNString, tInteger, tDecimal, tFloat, tMoney, tHex, tVariable, tSystem, tQuoted:
		return true
	case tOp:
		return p.is("(") || p.is("-") || p.is("+") || p.is("~")
	case tWord:
		switch t.word {
		case "NULL", "CASE", "CONVERT", "TRY_CONVERT", "COALESCE", "NULLIF", "LEFT", "RIGHT":
			return true
		}
		return !t.reserved && !p.startsPlainStatement()
	}
	return false
}

func (p *parser) print() ast.Statement {
	s := &ast.Print{Pos: p.here()}
	p.advance()
	s.Value = p.scalar()
	return s
}

func (p *parser) raiseError() ast.Statement {
	r := &ast.RaiseError{Pos: p.here()}
	p.advance()
	p.expect("(")
	r.Message = p.scalar()
	p.expect(",")
	r.Severity = p.scalar()
	p.expect(",")
	r.State = p.scalar()
	for p.accept(",") {
		r.Args = append(r.Args, p.scalar())
	}
	p.expect(")")
	if !p.is("WITH") {
		return r
	}
	p.advance()
	for {
		switch p.oneOf("LOG", "NOWAIT", "SETERROR") {
		case "LOG":
			r.Log = true
		case "NOWAIT":
			r.NoWait = true
		case "SETERROR":
			r.SetError = true
		}
		if !p.accept(",") {
			return r
		}
	}
}

func (p *parser) throw() ast.Statement {
	t := &ast.Throw{Pos: p.here()}
	p.advance()
	if k := p.tok().kind; k != tInteger && k != tVariable {
		if p.inCatch == 0 {
			p.complain(t.Pos, sqlerr.New(10704))
		}
		return t
	}
	t.Number = p.primary()
	p.expect(",")
	t.Message = p.primary()
	p.expect(",")
	t.State = p.primary()
	return t
}

func (p *parser) waitFor() ast.Statement {
	w := &ast.WaitFor{Pos: p.here()}
	if p.isAhead(1, "(") {
		return p.refused(1)
	}
	p.advance()
	w.Time = p.oneOf("DELAY", "TIME") == "TIME"
	w.Value = p.primary()
	return w
}

// onOffOptions are the options that SET turns on and off.
var onOffOptions = map[string]bool{
	"NOCOUNT": true, "XACT_ABORT": true, "ANSI_NULLS": true, "ANSI_PADDING": true, "ANSI_WARNINGS": true, "ANSI_DEFAULTS": true,
	"ANSI_NULL_DFLT_ON": true, "ANSI_NULL_DFLT_OFF": true, "ARITHABORT": true, "ARITHIGNORE": true,
	"CONCAT_NULL_YIELDS_NULL": true, "CURSOR_CLOSE_ON_COMMIT": true, "FMTONLY": true, "FORCEPLAN": true,
	"IMPLICIT_TRANSACTIONS": true, "NOEXEC": true, "NUMERIC_ROUNDABORT": true, "PARSEONLY": true, "QUOTED_IDENTIFIER": true,
	"REMOTE_PROC_TRANSACTIONS": true, "SHOWPLAN_ALL": true, "SHOWPLAN_TEXT": true, "SHOWPLAN_XML": true,
	"NO_BROWSETABLE": true, "DISABLE_DEF_CNST_CHK": true, "RESULT_SET_CACHING": true,
}

// valueOptions are the options that SET gives a value.
var valueOptions = map[string]bool{
	"ROWCOUNT": true, "TEXTSIZE": true, "LOCK_TIMEOUT": true, "LANGUAGE": true, "DATEFORMAT": true, "DATEFIRST": true,
	"DEADLOCK_PRIORITY": true, "CONTEXT_INFO": true, "QUERY_GOVERNOR_COST_LIMIT": true, "FIPS_FLAGGER": true,
}

func (p *parser) set() ast.Statement {
	at := p.here()
	p.advance()
	t := p.tok()
	switch {
	case t.kind == tVariable:
		return p.setVariable(at)
	case p.accept("IDENTITY_INSERT"):
		return &ast.SetIdentityInsert{Pos: at, Table: p.objectName(), On: p.onOff()}
	case p.accept("TRANSACTION"):
		return p.setIsolation(at)
	case p.accept("STATISTICS"):
		return p.setOnOff(at, "STATISTICS ")
	case p.accept("OFFSETS"):
		return p.setOnOff(at, "OFFSETS ")
	}
	if t.kind != tWord {
		p.unexpected()
		return &ast.Empty{Pos: at}
	}
	name := p.upper(t)
	switch {
	case valueOptions[name]:
		p.advance()
		return &ast.SetValue{Pos: at, Name: name, Value: p.setValue()}
	case onOffOptions[name]:
		return p.setOnOff(at, "")
	}
	p.fail(sqlerr.New(195, head(p.raw(t)), "SET option"))
	return &ast.Empty{Pos: at}
}

func (p *parser) setValue() ast.Expr {
	t := p.tok()
	if t.kind == tWord {
		p.advance()
		return &ast.Keyword{Pos: pos(t), Word: p.upper(t)}
	}
	if t.kind == tQuoted {
		p.advance()
		return &ast.Literal{Pos: pos(t), Kind: ast.LitNString, Text: p.text(t)}
	}
	return p.prefix()
}

func (p *parser) setVariable(at ast.Pos) ast.Statement {
	t := p.tok()
	name := p.raw(t)
	p.useScalar(pos(t), name)
	p.advance()
	if !isAssignment(p.tok()) {
		p.unexpected()
		return &ast.Empty{Pos: at}
	}
	s := &ast.SetVariable{Pos: at, Name: name, Op: p.tok().word}
	p.advance()
	if p.is("CURSOR") {
		p.advance()
		c := &ast.DeclareCursor{Pos: at, Name: name}
		p.cursorQuery(c)
		return c
	}
	s.Value = p.scalar()
	return s
}

func (p *parser) setOnOff(at ast.Pos, prefix string) ast.Statement {
	s := &ast.SetOptions{Pos: at}
	for {
		name := p.upper(p.tok())
		if p.anyWord(); prefix == "" && !onOffOptions[name] {
			p.fail(sqlerr.New(195, head(name), "SET option"))
			return s
		}
		s.Names = append(s.Names, prefix+name)
		if !p.accept(",") {
			break
		}
	}
	s.On = p.onOff()
	return s
}

func (p *parser) setIsolation(at ast.Pos) ast.Statement {
	s := &ast.SetIsolation{Pos: at}
	p.expect("ISOLATION", "LEVEL")
	for _, level := range []string{"READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "SNAPSHOT"} {
		if p.acceptSeq(strings.Fields(level)...) {
			s.Level = level
			return s
		}
	}
	p.unexpected()
	return s
}
