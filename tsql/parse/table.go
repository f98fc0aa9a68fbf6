package parse

import (
	"linkspan/tsql/ast"
)

func (p *parser) createTable(at ast.Pos) ast.Statement {
	t := &ast.CreateTable{Pos: at, Name: p.objectName()}
	if p.is("AS") {
		r, _ := p.refused(2).(*ast.Refused)
		r.What = "CREATE TABLE AS"
		return r
	}
	d := p.tableDef()
	t.Columns, t.Constraints, t.Indexes = d.Columns, d.Constraints, d.Indexes
	for p.err == nil {
		switch {
		case p.is("ON"), p.is("TEXTIMAGE_ON"), p.is("FILESTREAM_ON"):
			p.storage()
		case p.is("WITH") && p.isAhead(1, "("):
			p.advance()
			t.Options = append(t.Options, p.optionList()...)
		default:
			return t
		}
	}
	return t
}

// storage passes ON filegroup, ON scheme(column) and the like, which mean nothing here.
func (p *parser) storage() {
	p.advance()
	if p.isString() {
		p.advance()
		return
	}
	p.anyWord()
	if p.is("(") {
		p.skipParens()
	}
}

// tableDef reads ( columns and constraints ).
func (p *parser) tableDef() *ast.TableDef {
	d := &ast.TableDef{}
	p.expect("(")
	for p.err == nil {
		switch {
		case p.startsTableConstraint():
			d.Constraints = append(d.Constraints, p.constraint(true))
		case p.is("INDEX"):
			d.Indexes = append(d.Indexes, p.inlineIndex())
		case p.acceptSeq("PERIOD", "FOR", "SYSTEM_TIME"):
			p.unexpected()
		default:
			d.Columns = append(d.Columns, p.columnDef())
		}
		if !p.accept(",") {
			break
		}
		if p.is(")") { // a comma before the closing parenthesis is accepted
			break
		}
	}
	p.expect(")")
	return d
}

func (p *parser) startsTableConstraint() bool {
	switch p.tok().word {
	case "CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "DEFAULT":
		return p.tok().reserved
	}
	return false
}

func (p *parser) inlineIndex() *ast.CreateIndex {
	x := &ast.CreateIndex{Pos: p.here()}
	p.advance()
	x.Name = p.name()
	x.Unique = p.accept("UNIQUE")
	x.Clustered = p.clustered()
	if p.is("(") {
		x.Columns = p.indexColumns()
	}
	p.indexTail(x)
	return x
}

func (p *parser) clustered() *bool {
	yes, no := true, false
	switch {
	case p.accept("CLUSTERED"):
		return &yes
	case p.accept("NONCLUSTERED"):
		p.accept("HASH")
		return &no
	}
	return nil
}

func (p *parser) indexColumns() []ast.IndexColumn {
	var list []ast.IndexColumn
	p.expect("(")
	for {
		c := ast.IndexColumn{Pos: p.here(), Name: p.name()}
		if p.accept("DESC") {
			c.Desc = true
		} else {
			p.accept("ASC")
		}
		list = append(list, c)
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	return list
}

func (p *parser) columnDef() *ast.ColumnDef {
	c := &ast.ColumnDef{Pos: p.here()}
	c.Name = p.name()
	if p.accept("AS") {
		from := p.i
		x := p.scalar()
		c.Computed = &ast.ExprText{Expr: x, Text: p.slice(from)}
		c.Persisted = p.accept("PERSISTED")
	} else if p.tokenIsTimestampAlone(c.Name) {
		c.Type = ast.TypeName{Pos: c.Pos, Name: "timestamp"}
	} else {
		c.Type = p.typeName()
		if p.is("IDENTITY") && p.isAhead(1, "(") || p.is("IDENTITY") {
			p.identityDef(c)
		}
	}
	for p.err == nil && p.columnOption(c) {
		continue
	}
	return c
}

// tokenIsTimestampAlone reports the column named by its type: "timestamp" without another type after it.
func (p *parser) tokenIsTimestampAlone(name string) bool {
	return lower(name) == "timestamp" && (p.is(",") || p.is(")") || p.is("NOT") || p.is("NULL"))
}

func (p *parser) identityDef(c *ast.ColumnDef) {
	c.Identity = &ast.IdentityDef{Pos: p.here(), Seed: "1", Increment: "1"}
	p.advance()
	if p.accept("(") {
		c.Identity.Seed = p.digits()
		p.expect(",")
		c.Identity.Increment = p.digits()
		p.expect(")")
	}
	if p.acceptSeq("NOT", "FOR", "REPLICATION") {
		c.Identity.NotForReplication = true
	}
}

// columnOption reads one clause after a column's type, and reports whether there was one.
func (p *parser) columnOption(c *ast.ColumnDef) bool {
	yes, no := true, false
	switch {
	case p.accept("COLLATE"):
		c.Type.Collation = p.anyWord()
	case p.acceptSeq("NOT", "NULL"):
		c.Null = &no
	case p.accept("NULL"):
		c.Null = &yes
	case p.is("IDENTITY"):
		p.identityDef(c)
	case p.acceptSeq("NOT", "FOR", "REPLICATION"):
		return true
	case p.accept("ROWGUIDCOL"):
		c.RowGUIDCol = true
	case p.accept("SPARSE"):
		c.Sparse = true
	case p.accept("PERSISTED"):
		c.Persisted = true
	case p.is("MASKED"), p.is("ENCRYPTED"), p.is("GENERATED"), p.is("FILESTREAM"), p.is("HIDDEN"):
		p.unexpected()
	case p.is("CONSTRAINT"), p.is("PRIMARY"), p.is("UNIQUE"), p.is("CHECK"), p.is("DEFAULT"), p.is("REFERENCES"), p.is("FOREIGN"):
		c.Constraints = append(c.Constraints, p.constraint(false))
	default:
		return false
	}
	return true
}

// constraint reads a constraint of a table or of a column.
func (p *parser) constraint(table bool) *ast.Constraint {
	c := &ast.Constraint{Pos: p.here()}
	if p.accept("CONSTRAINT") {
		c.Name = p.name()
	}
	switch {
	case p.acceptSeq("PRIMARY", "KEY"):
		c.Kind = ast.PrimaryKey
		p.keyTail(c, table)
	case p.accept("UNIQUE"):
		c.Kind = ast.Unique
		p.keyTail(c, table)
	case p.accept("CHECK"):
		c.Kind = ast.Check
		p.acceptSeq("NOT", "FOR", "REPLICATION")
		p.expect("(")
		from := p.i
		x := p.condition()
		c.Expr = ast.ExprText{Expr: x, Text: p.slice(from)}
		p.expect(")")
	case p.accept("DEFAULT"):
		c.Kind = ast.DefaultValue
		from := p.i
		x := p.scalar()
		c.Expr = ast.ExprText{Expr: x, Text: p.slice(from)}
		if table {
			p.expect("FOR")
			c.For = p.name()
		}
		if p.acceptSeq("WITH", "VALUES") {
			c.Options = append(c.Options, ast.Option{Name: "VALUES"})
		}
	case p.is("FOREIGN"), p.is("REFERENCES"):
		p.foreignKey(c, table)
	default:
		p.unexpected()
	}
	return c
}

func (p *parser) keyTail(c *ast.Constraint, table bool) {
	c.Clustered = p.clustered()
	if table || p.is("(") {
		c.Columns = p.indexColumns()
	}
	if p.is("WITH") && p.isAhead(1, "(") {
		p.advance()
		c.Options = p.optionList()
	} else if p.acceptSeq("WITH", "FILLFACTOR", "=") {
		p.integer()
	}
	if p.is("ON") && p.tok().kind == tWord {
		p.storage()
	}
}

func (p *parser) foreignKey(c *ast.Constraint, table bool) {
	c.Kind = ast.ForeignKey
	if p.acceptSeq("FOREIGN", "KEY") && (table || p.is("(")) {
		c.Columns = p.indexColumns()
	}
	c.Ref = &ast.Reference{Pos: p.here()}
	p.expect("REFERENCES")
	c.Ref.Table = p.objectName()
	if p.is("(") {
		c.Ref.Columns = p.identList()
	}
	for p.err == nil {
		switch {
		case p.acceptSeq("ON", "DELETE"):
			c.Ref.OnDelete = p.action()
		case p.acceptSeq("ON", "UPDATE"):
			c.Ref.OnUpdate = p.action()
		case p.acceptSeq("NOT", "FOR", "REPLICATION"):
		default:
			return
		}
	}
}

func (p *parser) action() string {
	switch {
	case p.acceptSeq("NO", "ACTION"):
		return "NO ACTION"
	case p.acceptSeq("SET", "NULL"):
		return "SET NULL"
	case p.acceptSeq("SET", "DEFAULT"):
		return "SET DEFAULT"
	case p.accept("CASCADE"):
		return "CASCADE"
	}
	p.unexpected()
	return ""
}

func (p *parser) createIndex(at ast.Pos) ast.Statement {
	x := &ast.CreateIndex{Pos: at, Unique: p.accept("UNIQUE")}
	x.Clustered = p.clustered()
	x.Columnstore = p.accept("COLUMNSTORE")
	p.expect("INDEX")
	x.Name = p.name()
	p.expect("ON")
	x.Table = p.objectName()
	if p.is("(") || !x.Columnstore {
		x.Columns = p.indexColumns()
	}
	p.indexTail(x)
	return x
}

func (p *parser) indexTail(x *ast.CreateIndex) {
	if p.accept("INCLUDE") {
		x.Include = p.identList()
	}
	if p.accept("WHERE") {
		from := p.i
		c := p.condition()
		x.Where = &ast.ExprText{Expr: c, Text: p.slice(from)}
	}
	if p.is("WITH") && p.isAhead(1, "(") {
		p.advance()
		x.Options = p.optionList()
	} else if p.acceptSeq("WITH", "FILLFACTOR", "=") {
		p.integer()
	}
	if p.is("ON") || p.is("FILESTREAM_ON") {
		p.storage()
	}
}
