package parse

import (
	"strings"

	"linkspan/tsql/ast"
)

func (p *parser) use() ast.Statement {
	at := p.here()
	p.advance()
	return &ast.Use{Pos: at, Database: p.name()}
}

// database reads CREATE DATABASE and ALTER DATABASE; both words are read.
func (p *parser) database(at ast.Pos, alter bool) ast.Statement {
	for _, k := range []string{"AUDIT SPECIFICATION", "SCOPED CONFIGURATION", "SCOPED CREDENTIAL", "ENCRYPTION KEY"} {
		if ws := strings.Fields(k); p.isSeq(ws...) {
			r, _ := p.refused(0).(*ast.Refused)
			r.Pos, r.What = at, verbOfDefine(alter)+" DATABASE "+k
			return r
		}
	}
	if alter {
		return p.alterDatabase(at)
	}
	return p.createDatabase(at)
}

func verbOfDefine(alter bool) string {
	if alter {
		return "ALTER"
	}
	return "CREATE"
}

func (p *parser) createDatabase(at ast.Pos) ast.Statement {
	d := &ast.CreateDatabase{Pos: at, Name: p.name()}
	if p.accept("CONTAINMENT") {
		o := ast.Option{Pos: p.here(), Name: "CONTAINMENT"}
		p.expect("=")
		o.Value = p.optionValue()
		d.Options = append(d.Options, o)
	}
	if p.accept("ON") {
		p.accept("PRIMARY")
		p.files(d, false)
	}
	if p.acceptSeq("LOG", "ON") {
		p.files(d, true)
	}
	if p.accept("COLLATE") {
		d.Collation = p.anyWord()
	}
	switch {
	case p.acceptSeq("AS", "SNAPSHOT", "OF"):
		d.SnapshotOf = p.name()
	case p.acceptSeq("AS", "COPY", "OF"):
		d.Options = append(d.Options, ast.Option{Pos: at, Name: "AS COPY OF"})
		p.objectName()
	case p.is("FOR") && (p.isAhead(1, "ATTACH") || p.isAhead(1, "ATTACH_REBUILD_LOG")):
		p.advance()
		d.Options = append(d.Options, ast.Option{Pos: at, Name: "FOR " + p.upper(p.tok())})
		p.advance()
	}
	if p.accept("WITH") {
		d.Options = append(d.Options, p.databaseOptions()...)
	}
	return d
}

// files reads the file specifications of ON and LOG ON.
func (p *parser) files(d *ast.CreateDatabase, log bool) {
	for {
		if p.accept("FILEGROUP") {
			p.name()
			p.acceptSeq("CONTAINS", "FILESTREAM")
			p.acceptSeq("CONTAINS", "MEMORY_OPTIMIZED_DATA")
			p.accept("DEFAULT")
		}
		f := ast.FileSpec{Pos: p.here(), Log: log}
		p.expect("(")
		for {
			o := ast.Option{Pos: p.here(), Name: p.upper(p.tok())}
			p.anyWord()
			if p.accept("=") {
				o.Value = p.optionValue()
				if k := p.tok().kind; k == tWord || p.is("%") { // 8 MB, 10 %
					p.advance()
				}
			}
			f.Options = append(f.Options, o)
			if !p.accept(",") {
				break
			}
		}
		p.expect(")")
		d.Files = append(d.Files, f)
		if !p.accept(",") {
			return
		}
	}
}

// databaseOptions reads NAME [=] [value] [, …].
func (p *parser) databaseOptions() []ast.Option {
	var list []ast.Option
	for {
		list = append(list, p.databaseOption())
		if !p.accept(",") {
			return list
		}
	}
}

// bareOptions are the options of ALTER DATABASE SET that have no value.
var bareOptions = map[string]bool{
	"ONLINE": true, "OFFLINE": true, "EMERGENCY": true, "SINGLE_USER": true, "RESTRICTED_USER": true, "MULTI_USER": true,
	"READ_ONLY": true, "READ_WRITE": true, "ENABLE_BROKER": true, "DISABLE_BROKER": true, "NEW_BROKER": true,
	"ERROR_BROKER_CONVERSATIONS": true,
}

func (p *parser) databaseOption() ast.Option {
	o := ast.Option{Pos: p.here(), Name: upperASCII(p.anyWord())}
	if bareOptions[o.Name] {
		return o
	}
	if p.accept("=") {
		o.Value = p.optionValue()
		if p.is("MINUTES") || p.is("SECONDS") || p.is("HOURS") || p.is("DAYS") {
			p.advance()
		}
	} else if p.tok().kind == tWord && !p.is("WITH") {
		o.Value = p.optionValue()
	}
	if p.is("(") {
		o.Args = p.optionList()
	}
	return o
}

func (p *parser) alterDatabase(at ast.Pos) ast.Statement {
	d := &ast.AlterDatabase{Pos: at}
	if !p.accept("CURRENT") {
		d.Name = p.name()
	}
	switch {
	case p.accept("SET"):
		if p.is("HADR") {
			p.hadr(d)
			return d
		}
		d.Set = p.databaseOptions()
		p.termination(d)
	case p.acceptSeq("MODIFY", "NAME"):
		p.expect("=")
		d.NewName = p.name()
	case p.acceptSeq("MODIFY", "FILE"):
		d.ModifyFile = p.fileProperties()
	case p.accept("COLLATE"):
		d.Collation = p.anyWord()
	case p.is("ADD"), p.is("REMOVE"), p.is("MODIFY"):
		d.Other = p.upper(p.tok()) + " " + p.upper(p.ahead(1))
		for !p.atEnd() && !p.is(";") {
			p.advance()
		}
	default:
		p.unexpected()
	}
	return d
}

// fileProperties reads ( NAME = f, MAXSIZE = 8 GB, … ).
func (p *parser) fileProperties() []ast.Option {
	var list []ast.Option
	p.expect("(")
	for p.err == nil {
		o := ast.Option{Pos: p.here(), Name: upperASCII(p.anyWord())}
		if p.accept("=") {
			o.Value = p.optionValue()
			if p.tok().kind == tWord || p.is("%") {
				o.Args = []ast.Option{{Pos: p.here(), Name: p.upper(p.tok())}}
				p.advance()
			}
		}
		list = append(list, o)
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	return list
}

func (p *parser) termination(d *ast.AlterDatabase) {
	if !p.accept("WITH") {
		return
	}
	switch {
	case p.accept("NO_WAIT"):
		d.Termination = "NO_WAIT"
	case p.acceptSeq("ROLLBACK", "IMMEDIATE"):
		d.Termination = "ROLLBACK IMMEDIATE"
	case p.acceptSeq("ROLLBACK", "AFTER"):
		d.Termination = "ROLLBACK AFTER"
		d.Seconds = int(min(p.integer(), 1<<30))
		p.accept("SECONDS")
	default:
		p.unexpected()
	}
}

func (p *parser) hadr(d *ast.AlterDatabase) {
	d.Hadr = &ast.HadrAction{Pos: p.here()}
	p.advance()
	switch {
	case p.acceptSeq("AVAILABILITY", "GROUP"):
		p.expect("=")
		d.Hadr.Verb, d.Hadr.Group = "JOIN", p.name()
	case p.accept("OFF"):
		d.Hadr.Verb = "OFF"
	case p.accept("RESUME"):
		d.Hadr.Verb = "RESUME"
	case p.accept("SUSPEND"):
		d.Hadr.Verb = "SUSPEND"
		if p.accept("FOR") {
			d.Hadr.Reason = upperASCII(p.anyWord())
		}
	default:
		p.unexpected()
	}
}

// server reads CHECKPOINT, KILL, SHUTDOWN and RECONFIGURE.
func (p *parser) server() ast.Statement {
	at := p.here()
	w := p.upper(p.tok())
	p.advance()
	switch w {
	case "CHECKPOINT":
		c := &ast.Checkpoint{Pos: at}
		if p.tok().kind == tInteger {
			c.Duration = p.primary()
		}
		return c
	case "KILL":
		k := &ast.Kill{Pos: at}
		if p.is("STATS") || p.is("QUERY") {
			return p.refused(1)
		}
		k.Session = p.primary()
		if p.is("WITH") {
			p.expect("WITH", "STATUSONLY")
			k.StatusOnly = true
		}
		return k
	case "SHUTDOWN":
		return &ast.Shutdown{Pos: at, NoWait: p.acceptSeq("WITH", "NOWAIT")}
	}
	return &ast.Reconfigure{Pos: at, Override: p.acceptSeq("WITH", "OVERRIDE")}
}

func (p *parser) dbcc() ast.Statement {
	d := &ast.DBCC{Pos: p.here()}
	p.advance()
	d.Command = upperASCII(p.anyWord())
	if p.accept("(") {
		for !p.is(")") && p.err == nil {
			d.Args = append(d.Args, p.dbccArg())
			if !p.accept(",") {
				break
			}
		}
		p.expect(")")
	}
	if p.accept("WITH") {
		for {
			o := ast.Option{Pos: p.here(), Name: upperASCII(p.anyWord())}
			if p.accept("=") {
				o.Value = p.optionValue()
			}
			d.Options = append(d.Options, o)
			if !p.accept(",") {
				break
			}
		}
	}
	return d
}

func (p *parser) dbccArg() ast.Expr {
	t := p.tok()
	if t.kind == tWord && !p.is("NULL") {
		n := ast.Keyword{Pos: pos(t), Word: p.upper(t)}
		p.advance()
		for p.accept(".") {
			n.Word += "." + p.anyWord()
		}
		return &n
	}
	return p.optionValue()
}
