package parse

import (
	"linkspan/tsql/ast"
)

// drop reads DROP.
func (p *parser) drop() ast.Statement {
	at := p.here()
	start := p.i
	p.advance()
	switch {
	case p.accept("DATABASE"):
		if p.is("AUDIT") || p.is("SCOPED") || p.is("ENCRYPTION") {
			p.i = start
			return p.refused(3)
		}
		return &ast.DropDatabase{Pos: at, IfExists: p.ifExists(), Names: p.nameList()}
	case p.acceptSeq("MASTER", "KEY"):
		return &ast.DropMasterKey{Pos: at}
	case p.accept("CERTIFICATE"):
		return &ast.DropCertificate{Pos: at, IfExists: p.ifExists(), Name: p.name()}
	case p.accept("ENDPOINT"):
		return &ast.DropEndpoint{Pos: at, IfExists: p.ifExists(), Name: p.name()}
	case p.acceptSeq("AVAILABILITY", "GROUP"):
		return &ast.DropGroup{Pos: at, Name: p.name()}
	case p.accept("LOGIN"):
		return &ast.DropLogin{Pos: at, IfExists: p.ifExists(), Name: p.name()}
	case p.accept("CREDENTIAL"):
		return &ast.DropCredential{Pos: at, Name: p.name()}
	case p.accept("USER"):
		return &ast.DropUser{Pos: at, IfExists: p.ifExists(), Name: p.name()}
	case p.accept("ROLE"):
		return &ast.RoleStatement{Pos: at, Verb: "DROP", IfExists: p.ifExists(), Name: p.name()}
	case p.acceptSeq("SERVER", "ROLE"):
		return &ast.RoleStatement{Pos: at, Server: true, Verb: "DROP", IfExists: p.ifExists(), Name: p.name()}
	case p.accept("INDEX"):
		return p.dropIndex(at)
	}
	for _, k := range []string{"TABLE", "VIEW", "PROCEDURE", "PROC", "FUNCTION", "SCHEMA", "TRIGGER", "SYNONYM", "SEQUENCE", "TYPE", "STATISTICS", "DEFAULT", "RULE"} {
		if p.accept(k) {
			return p.dropObjects(at, k)
		}
	}
	return p.otherObject(at, start)
}

func (p *parser) ifExists() bool { return p.acceptSeq("IF", "EXISTS") }

func (p *parser) dropObjects(at ast.Pos, kind string) ast.Statement {
	if kind == "PROC" {
		kind = "PROCEDURE"
	}
	d := &ast.Drop{Pos: at, Kind: kind, IfExists: p.ifExists()}
	for {
		d.Names = append(d.Names, p.objectName())
		if !p.accept(",") {
			break
		}
	}
	if kind == "TRIGGER" && p.accept("ON") {
		p.anyWord()
		p.accept("SERVER")
	}
	return d
}

func (p *parser) dropIndex(at ast.Pos) ast.Statement {
	d := &ast.DropIndex{Pos: at, IfExists: p.ifExists()}
	for {
		n := p.objectName()
		it := ast.IndexOnTable{Pos: n.Pos, Name: n.Name}
		if p.accept("ON") {
			it.Table = p.objectName()
		} else if n.Schema != "" { // the old form: table.index
			it.Table = ast.ObjectName{Pos: n.Pos, Schema: n.Database, Name: n.Schema}
		} else {
			p.unexpected()
		}
		if p.is("WITH") && p.isAhead(1, "(") {
			p.advance()
			p.skipParens()
		}
		d.Items = append(d.Items, it)
		if !p.accept(",") {
			return d
		}
	}
}
