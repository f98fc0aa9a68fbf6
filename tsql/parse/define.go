package parse

import (
	"strings"

	"linkspan/sqlerr"
	"linkspan/tsql/ast"
)

// define reads CREATE and ALTER.
func (p *parser) define() ast.Statement {
	at := p.here()
	start := p.i
	alter := p.is("ALTER")
	p.advance()
	orAlter := !alter && p.acceptSeq("OR", "ALTER")
	switch {
	case p.is("VIEW"), p.is("PROC"), p.is("PROCEDURE"), p.is("FUNCTION"), p.is("TRIGGER"):
		return p.module(at, start, alter, orAlter)
	case orAlter:
		p.unexpected()
		return &ast.Empty{Pos: at}
	case p.accept("DATABASE"):
		return p.database(at, alter)
	case p.acceptSeq("MASTER", "KEY"):
		return p.masterKey(at, alter)
	case p.accept("CERTIFICATE"):
		return p.certificate(at, alter)
	case p.accept("ENDPOINT"):
		return p.endpoint(at, alter)
	case p.acceptSeq("AVAILABILITY", "GROUP"):
		return p.group(at, alter)
	case p.accept("LOGIN"):
		return p.login(at, alter)
	case p.accept("CREDENTIAL"):
		return p.credential(at, alter)
	case p.accept("USER"):
		return p.user(at, alter)
	case p.is("ROLE"), p.isSeq("SERVER", "ROLE"):
		return p.role(at, alter)
	case alter:
		return p.alter(at, start)
	}
	return p.create(at, start)
}

func (p *parser) create(at ast.Pos, start int) ast.Statement {
	switch {
	case p.accept("TABLE"):
		return p.createTable(at)
	case p.is("UNIQUE"), p.is("CLUSTERED"), p.is("NONCLUSTERED"), p.is("INDEX"), p.is("COLUMNSTORE"):
		return p.createIndex(at)
	case p.accept("SCHEMA"):
		return p.createSchema(at, start)
	case p.accept("STATISTICS"):
		s := &ast.CreateStatistics{Pos: at, Name: p.name()}
		p.expect("ON")
		s.Table = p.objectName()
		p.skipParens()
		p.statisticsTail()
		return s
	}
	return p.otherObject(at, start)
}

func (p *parser) alter(at ast.Pos, start int) ast.Statement {
	switch {
	case p.accept("TABLE"):
		return p.alterTable(at)
	case p.accept("INDEX"):
		return p.alterIndex(at)
	case p.accept("SCHEMA"):
		s := &ast.AlterSchema{Pos: at, Name: p.name()}
		p.expect("TRANSFER")
		if p.isAhead(1, "::") {
			p.advance()
			p.advance()
		}
		s.Object = p.objectName()
		return s
	case p.accept("AUTHORIZATION"):
		a := &ast.AlterAuthorization{Pos: at}
		p.expect("ON")
		a.Class, a.On = p.securable()
		p.expect("TO")
		if p.acceptSeq("SCHEMA", "OWNER") {
			return a
		}
		a.To = p.name()
		return a
	}
	return p.otherObject(at, start)
}

// otherKinds are the objects that T-SQL can create and this product cannot.
var otherKinds = []string{
	"TYPE", "SYNONYM", "SEQUENCE", "DEFAULT", "RULE", "SYMMETRIC KEY", "ASYMMETRIC KEY", "CREDENTIAL", "ASSEMBLY", "AGGREGATE",
	"EVENT SESSION", "EVENT NOTIFICATION", "FULLTEXT INDEX", "FULLTEXT CATALOG", "FULLTEXT STOPLIST", "PARTITION FUNCTION",
	"PARTITION SCHEME", "XML SCHEMA", "XML INDEX", "PRIMARY XML", "SPATIAL INDEX", "SELECTIVE XML", "JSON INDEX", "VECTOR INDEX",
	"APPLICATION ROLE", "SERVER AUDIT", "SERVER CONFIGURATION", "MESSAGE TYPE", "QUEUE", "SERVICE", "CONTRACT", "ROUTE", "REMOTE SERVICE",
	"BROKER PRIORITY", "RESOURCE POOL", "RESOURCE GOVERNOR", "WORKLOAD GROUP", "EXTERNAL DATA", "EXTERNAL FILE", "EXTERNAL TABLE",
	"EXTERNAL LIBRARY", "EXTERNAL LANGUAGE", "EXTERNAL RESOURCE", "EXTERNAL MODEL", "COLUMN MASTER", "COLUMN ENCRYPTION",
	"SECURITY POLICY", "SEARCH PROPERTY", "CRYPTOGRAPHIC PROVIDER", "TRIGGER", "SERVICE MASTER", "SIGNATURE", "SENSITIVITY CLASSIFICATION",
}

// otherObject reads a statement about an object that is refused by name, or finds that there is no such kind (343).
func (p *parser) otherObject(at ast.Pos, start int) ast.Statement {
	for _, k := range otherKinds {
		words := strings.Fields(k)
		if p.isSeq(words...) {
			p.i = start
			r, _ := p.refused(1 + len(words)).(*ast.Refused)
			r.Pos = at
			return r
		}
	}
	t := p.tok()
	if t.kind == tWord && !t.reserved && p.ahead(1).kind != tEOF {
		p.fail(sqlerr.New(343, head(p.raw(t))))
	} else {
		p.unexpected()
	}
	return &ast.Empty{Pos: at}
}

// alone checks that a statement that must be the first of its batch is (111).
func (p *parser) alone(start int, what string) {
	if start != 0 {
		for i := range start {
			if p.toks[i].word != ";" {
				p.complain(pos(&p.toks[start]), sqlerr.New(111, what))
				return
			}
		}
	}
}

func (p *parser) createSchema(at ast.Pos, start int) ast.Statement {
	p.alone(start, "CREATE SCHEMA")
	s := &ast.CreateSchema{Pos: at}
	if p.accept("AUTHORIZATION") {
		s.Owner = p.name()
		s.Name = s.Owner
		return s
	}
	s.Name = p.name()
	if p.accept("AUTHORIZATION") {
		s.Owner = p.name()
	}
	return s
}

func (p *parser) updateStatistics() ast.Statement {
	s := &ast.CreateStatistics{Pos: p.here(), Update: true}
	p.advance()
	p.advance()
	s.Table = p.objectName()
	switch {
	case p.is("("):
		p.skipParens()
	case isName(p.tok()) && !p.startsPlainStatement():
		s.Name = p.name()
	}
	p.statisticsTail()
	return s
}

func (p *parser) statisticsTail() {
	if p.accept("WHERE") {
		p.condition()
	}
	if !p.accept("WITH") {
		return
	}
	for {
		p.anyWord()
		if p.tok().kind == tInteger {
			p.advance()
			p.oneOf("PERCENT", "ROWS")
		} else if p.accept("=") {
			p.optionValue()
		} else if p.is("ON") && p.isAhead(1, "PARTITIONS") {
			p.advance()
			p.advance()
			p.skipParens()
		}
		if !p.accept(",") {
			return
		}
	}
}

func (p *parser) alterTable(at ast.Pos) ast.Statement {
	t := &ast.AlterTable{Pos: at, Name: p.objectName()}
	if p.is("WITH") && (p.isAhead(1, "CHECK") || p.isAhead(1, "NOCHECK")) {
		p.advance()
		t.WithCheck = p.upper(p.tok())
		p.advance()
	}
	switch {
	case p.accept("ADD"):
		p.alterAdd(t)
	case p.acceptSeq("ALTER", "COLUMN"):
		p.alterColumn(t)
	case p.accept("DROP"):
		p.alterDrop(t)
	case p.is("CHECK"), p.is("NOCHECK"):
		t.Check = p.upper(p.tok())
		p.advance()
		p.expect("CONSTRAINT")
		if !p.accept("ALL") {
			t.CheckConstraints = p.nameList()
		}
	case p.is("REBUILD"), p.is("SWITCH"), p.is("SET"), p.is("ENABLE"), p.is("DISABLE"), p.is("SPLIT"), p.is("MERGE"):
		t.Other = p.upper(p.tok())
		p.advance()
		if p.is("TRIGGER") || p.is("CHANGE_TRACKING") || p.is("PARTITION") {
			t.Other += " " + p.upper(p.tok())
		}
		for !p.atEnd() && !p.is(";") {
			p.advance()
		}
	default:
		p.unexpected()
	}
	return t
}

func (p *parser) alterAdd(t *ast.AlterTable) {
	p.accept("COLUMN") // not T-SQL's, and refused there: see below
	if p.i > 0 && p.toks[p.i-1].word == "COLUMN" {
		p.unexpectedAt(p.i - 1)
		return
	}
	for p.err == nil {
		if p.startsTableConstraint() {
			c := p.constraint(true)
			c.NoCheck = t.WithCheck == "NOCHECK"
			t.AddConstraints = append(t.AddConstraints, c)
		} else {
			t.AddColumns = append(t.AddColumns, p.columnDef())
		}
		if !p.accept(",") {
			return
		}
	}
}

func (p *parser) alterColumn(t *ast.AlterTable) {
	c := &ast.ColumnDef{Pos: p.here(), Name: p.name()}
	t.Alter = c
	if p.is("ADD") || p.is("DROP") {
		t.Alter = nil
		t.Other = "ALTER COLUMN " + p.upper(p.tok())
		p.advance()
		p.anyWord()
		return
	}
	c.Type = p.typeName()
	for p.err == nil {
		yes, no := true, false
		switch {
		case p.accept("COLLATE"):
			c.Type.Collation = p.anyWord()
		case p.acceptSeq("NOT", "NULL"):
			c.Null = &no
		case p.accept("NULL"):
			c.Null = &yes
		case p.accept("SPARSE"):
			c.Sparse = true
		case p.is("WITH") && p.isAhead(1, "("):
			p.advance()
			p.skipParens()
		default:
			return
		}
	}
}

func (p *parser) alterDrop(t *ast.AlterTable) {
	column := false
	for first := true; p.err == nil; first = false {
		switch {
		case p.accept("COLUMN"):
			column = true
		case p.accept("CONSTRAINT"):
			column = false
		case first:
			column = false
		}
		d := ast.DropItem{Pos: p.here(), Column: column, IfExists: p.acceptSeq("IF", "EXISTS")}
		d.Pos = p.here()
		d.Name = p.name()
		t.Drop = append(t.Drop, d)
		if p.is("WITH") && p.isAhead(1, "(") {
			p.advance()
			p.skipParens()
		}
		if !p.accept(",") {
			return
		}
	}
}

func (p *parser) alterIndex(at ast.Pos) ast.Statement {
	x := &ast.AlterIndex{Pos: at}
	if !p.accept("ALL") {
		x.Name = p.name()
	}
	p.expect("ON")
	x.Table = p.objectName()
	x.Action = p.oneOf("REBUILD", "REORGANIZE", "DISABLE", "SET", "RESUME", "PAUSE", "ABORT")
	if p.is("(") {
		p.skipParens()
	}
	if p.accept("PARTITION") {
		p.expect("=")
		p.optionValue()
	}
	if p.is("WITH") && p.isAhead(1, "(") {
		p.advance()
		p.skipParens()
	}
	return x
}
