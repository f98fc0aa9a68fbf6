package parse

import (
	"strings"

	"linkspan/sqlerr"
	"linkspan/tsql/ast"
)

// statements reads statements up to the end of the text, or up to where stop says so.
func (p *parser) statements(stop func() bool) []ast.Statement {
	var list []ast.Statement
	for p.err == nil {
		terminated := len(list) == 0
		for p.accept(";") {
			terminated = true
		}
		if p.atEnd() || stop() {
			break
		}
		if p.is("WITH") && !terminated {
			p.fail(sqlerr.New(319))
			break
		}
		list = append(list, p.statement())
	}
	return list
}

// verbs maps the first word of a statement to what reads it.
type verb func(*parser) ast.Statement

// verbTable is built per call site of the switch in statement; a map literal would make an initialisation cycle.
func verbOf(w string) verb {
	switch w {
	case "SELECT", "(":
		return func(p *parser) ast.Statement { return p.selectStatement(true) }
	case "WITH":
		return (*parser).withStatement
	case "INSERT":
		return func(p *parser) ast.Statement { return p.insert(p.here(), nil) }
	case "UPDATE":
		return func(p *parser) ast.Statement { return p.update(p.here(), nil) }
	case "DELETE":
		return func(p *parser) ast.Statement { return p.delete(p.here(), nil) }
	case "MERGE":
		return func(p *parser) ast.Statement { return p.merge(p.here(), nil) }
	case "CREATE", "ALTER":
		return (*parser).define
	case "DROP":
		return (*parser).drop
	case "DECLARE":
		return (*parser).declareStatement
	case "SET":
		return (*parser).set
	case "EXEC", "EXECUTE":
		return (*parser).execute
	case "BACKUP":
		return (*parser).backup
	case "RESTORE":
		return (*parser).restore
	case "GRANT", "DENY", "REVOKE":
		return (*parser).permission
	}
	return controlVerb(w)
}

func controlVerb(w string) verb {
	switch w {
	case "IF":
		return (*parser).ifStatement
	case "WHILE":
		return (*parser).while
	case "BEGIN":
		return (*parser).begin
	case "BREAK", "CONTINUE":
		return (*parser).jump
	case "RETURN":
		return (*parser).returnStatement
	case "GOTO":
		return (*parser).gotoStatement
	case "PRINT":
		return (*parser).print
	case "RAISERROR":
		return (*parser).raiseError
	case "COMMIT", "ROLLBACK", "SAVE":
		return (*parser).transaction
	case "WAITFOR":
		return (*parser).waitFor
	case "OPEN", "CLOSE":
		return (*parser).openClose
	case "FETCH", "DEALLOCATE":
		return (*parser).cursor
	}
	return serverVerb(w)
}

func serverVerb(w string) verb {
	switch w {
	case "USE":
		return (*parser).use
	case "TRUNCATE":
		return (*parser).truncate
	case "CHECKPOINT", "KILL", "SHUTDOWN", "RECONFIGURE":
		return (*parser).server
	case "DBCC":
		return (*parser).dbcc
	case "REVERT":
		return (*parser).revert
	case "BULK", "READTEXT", "WRITETEXT", "UPDATETEXT", "SETUSER", "LOAD", "DUMP", "ADD":
		return func(p *parser) ast.Statement { return p.refused(1) }
	}
	return nil
}

// statement reads one statement.
func (p *parser) statement() ast.Statement {
	first := p.first
	p.first = false
	t := p.tok()
	if !p.enter() {
		return &ast.Empty{}
	}
	defer p.leave()
	if t.word != "" && (t.reserved || t.kind == tOp) {
		if v := verbOf(t.word); v != nil {
			return v(p)
		}
		if !p.is("UPDATE") { // no reserved word but those begins a statement
			p.unexpected()
			return &ast.Empty{Pos: pos(t)}
		}
	}
	switch {
	case t.kind == tWord && p.isAhead(1, ":"):
		return p.label()
	case p.is("THROW"):
		return p.throw()
	case (p.is("ENABLE") || p.is("DISABLE")) && p.isAhead(1, "TRIGGER"):
		return p.refused(2)
	case p.is("SEND"), p.is("RECEIVE"), p.isSeq("GET", "CONVERSATION"), p.isSeq("END", "CONVERSATION"), p.isSeq("MOVE", "CONVERSATION"):
		if !first {
			return p.refused(1)
		}
	case p.isSeq("UPDATE", "STATISTICS"):
		return p.updateStatistics()
	}
	if first && isName(t) {
		return p.procedureCall(&ast.Execute{Pos: pos(t)})
	}
	p.unexpected()
	return &ast.Empty{Pos: pos(t)}
}

// refused reads to the end of the batch and keeps the first n words as the statement's name.
func (p *parser) refused(n int) ast.Statement {
	r := &ast.Refused{Pos: p.here()}
	from := p.i
	var ws []string
	for !p.atEnd() {
		if len(ws) < n && p.tok().kind == tWord {
			ws = append(ws, p.upper(p.tok()))
		}
		p.advance()
	}
	r.What = strings.Join(ws, " ")
	r.Text = p.slice(from)
	return r
}

// withStatement reads a statement that begins with common table expressions.
func (p *parser) withStatement() ast.Statement {
	at := p.here()
	if p.isAhead(1, "XMLNAMESPACES") {
		return p.refused(2)
	}
	with := p.ctes()
	switch {
	case p.is("INSERT"):
		return p.insert(at, with)
	case p.is("UPDATE"):
		return p.update(at, with)
	case p.is("DELETE"):
		return p.delete(at, with)
	case p.is("MERGE"):
		return p.merge(at, with)
	}
	s := &ast.Select{Pos: at, With: with}
	p.selectRest(s, true)
	return s
}

func (p *parser) label() ast.Statement {
	l := &ast.Label{Pos: p.here(), Name: p.raw(p.tok())}
	p.advance()
	p.advance()
	if p.scope != nil {
		k := strings.ToLower(l.Name)
		if p.scope.labels[k] {
			p.complain(l.Pos, sqlerr.New(132, l.Name))
		}
		p.scope.labels[k] = true
	}
	return l
}

func (p *parser) gotoStatement() ast.Statement {
	g := &ast.Goto{Pos: p.here()}
	p.advance()
	g.Label = p.name()
	if p.scope != nil {
		p.scope.gotos = append(p.scope.gotos, g)
	}
	return g
}

func (p *parser) ifStatement() ast.Statement {
	s := &ast.If{Pos: p.here()}
	p.advance()
	s.Cond = p.condition()
	s.Then = p.body()
	n := 0
	for p.isAhead(n, ";") {
		n++
	}
	if p.isAhead(n, "ELSE") {
		for ; n >= 0; n-- {
			p.advance()
		}
		s.Else = p.body()
	}
	return s
}

// body reads the one statement that IF, ELSE and WHILE govern.
func (p *parser) body() ast.Statement {
	if p.atEnd() || p.err != nil {
		p.unexpected()
		return &ast.Empty{}
	}
	if p.is(";") {
		p.unexpected()
	}
	return p.statement()
}

func (p *parser) while() ast.Statement {
	s := &ast.While{Pos: p.here()}
	p.advance()
	s.Cond = p.condition()
	p.loops++
	s.Body = p.body()
	p.loops--
	return s
}

func (p *parser) jump() ast.Statement {
	at := p.here()
	if p.accept("BREAK") {
		if p.loops == 0 {
			p.complain(at, sqlerr.New(135))
		}
		return &ast.Break{Pos: at}
	}
	p.advance()
	if p.loops == 0 {
		p.complain(at, sqlerr.New(136))
	}
	return &ast.Continue{Pos: at}
}

func (p *parser) begin() ast.Statement {
	at := p.here()
	p.advance()
	switch {
	case p.is("TRAN"), p.is("TRANSACTION"):
		p.advance()
		return p.beginTransaction(at, false)
	case p.is("DISTRIBUTED"):
		p.advance()
		p.oneOf("TRAN", "TRANSACTION")
		return p.beginTransaction(at, true)
	case p.accept("TRY"):
		return p.tryCatch(at)
	case p.is("DIALOG"), p.is("CONVERSATION"):
		r, _ := p.refused(1).(*ast.Refused)
		r.What, r.Pos = "BEGIN "+r.What, at
		return r
	}
	b := &ast.Block{Pos: at}
	if p.isSeq("ATOMIC", "WITH") {
		p.advance()
		p.advance()
		p.skipParens()
	}
	b.Body = p.until(func() bool { return p.is("END") })
	p.expect("END")
	return b
}

// until reads at least one statement and stops before the end mark.
func (p *parser) until(stop func() bool) []ast.Statement {
	list := p.statements(stop)
	if len(list) == 0 {
		p.unexpected()
	}
	return list
}

func (p *parser) tryCatch(at ast.Pos) ast.Statement {
	s := &ast.TryCatch{Pos: at}
	s.Try = p.statements(func() bool { return p.isSeq("END", "TRY") || p.is("END") })
	p.expect("END", "TRY")
	for p.accept(";") { // SQL Server refuses a semicolon here; scripts never have one
		p.unexpected()
	}
	p.expect("BEGIN", "CATCH")
	p.inCatch++
	s.Catch = p.statements(func() bool { return p.is("END") })
	p.inCatch--
	p.expect("END", "CATCH")
	return s
}

func (p *parser) beginTransaction(at ast.Pos, distributed bool) ast.Statement {
	b := &ast.BeginTransaction{Pos: at, Distributed: distributed, Name: p.optionalName()}
	if p.is("WITH") && p.isAhead(1, "MARK") {
		p.advance()
		p.advance()
		if p.isString() {
			p.advance()
		}
	}
	return b
}

// optionalName reads a transaction's name or the variable that holds it, if one stands here.
func (p *parser) optionalName() ast.NameOrVariable {
	t := p.tok()
	n := ast.NameOrVariable{Pos: pos(t)}
	switch {
	case t.kind == tVariable:
		n.Variable = p.raw(t)
		p.useScalar(n.Pos, n.Variable)
		p.advance()
	case isName(t) && !p.startsPlainStatement() && !p.is("THROW"):
		n.Name = p.text(t)
		p.advance()
	}
	return n
}

// nameOrVariable demands a name or a variable.
func (p *parser) nameOrVariable() ast.NameOrVariable {
	n := p.optionalName()
	if n.Name == "" && n.Variable == "" {
		p.unexpected()
	}
	return n
}

func (p *parser) transaction() ast.Statement {
	at := p.here()
	w := p.upper(p.tok())
	p.advance()
	var name ast.NameOrVariable
	if p.accept("TRAN") || p.accept("TRANSACTION") {
		name = p.optionalName()
	} else if w == "SAVE" {
		p.unexpected()
	} else {
		p.accept("WORK")
	}
	switch w {
	case "SAVE":
		if name.Name == "" && name.Variable == "" {
			p.unexpected()
		}
		return &ast.Save{Pos: at, Name: name}
	case "ROLLBACK":
		return &ast.Rollback{Pos: at, Name: name}
	}
	if p.is("WITH") && p.isAhead(1, "(") {
		p.advance()
		p.skipParens()
	}
	return &ast.Commit{Pos: at, Name: name}
}
