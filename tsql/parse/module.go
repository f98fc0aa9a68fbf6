package parse

import (
	"linkspan/sqlerr"
	"linkspan/tsql/ast"
)

// module reads CREATE or ALTER of a view, procedure, function or trigger, each alone in its batch.
func (p *parser) module(at ast.Pos, start int, alter, orAlter bool) ast.Statement {
	what := "CREATE"
	if alter {
		what = "ALTER"
	}
	kind := p.upper(p.tok())
	if kind == "PROC" {
		kind = "PROCEDURE"
	}
	p.alone(start, what+" "+kind)
	if kind == "TRIGGER" {
		p.i = start
		r, _ := p.refused(1).(*ast.Refused)
		r.Pos, r.What = at, what+" TRIGGER"
		return r
	}
	p.advance()
	switch kind {
	case "VIEW":
		return p.view(&ast.CreateView{Pos: at, Alter: alter, OrAlter: orAlter}, start)
	case "FUNCTION":
		return p.function(&ast.CreateFunction{Pos: at, Alter: alter, OrAlter: orAlter}, start)
	}
	return p.procedure(&ast.CreateProcedure{Pos: at, Alter: alter, OrAlter: orAlter}, start)
}

func (p *parser) view(v *ast.CreateView, start int) ast.Statement {
	v.Name = p.objectName()
	if p.is("(") {
		v.Columns = p.identList()
	}
	v.Options = p.moduleOptions()
	p.expect("AS")
	from := p.i
	outer := p.scope
	p.scope = newScope()
	v.Query = p.selectStatement(false)
	p.scope = outer
	v.QueryText = p.slice(from)
	v.CheckOption = p.acceptSeq("WITH", "CHECK", "OPTION")
	v.Text = p.slice(start)
	for p.accept(";") {
		continue
	}
	p.end()
	return v
}

// moduleOptions reads WITH SCHEMABINDING, RECOMPILE, EXECUTE AS CALLER, ….
func (p *parser) moduleOptions() []ast.Option {
	var list []ast.Option
	if !p.accept("WITH") {
		return nil
	}
	for p.err == nil {
		o := ast.Option{Pos: p.here()}
		switch {
		case p.is("EXEC"), p.is("EXECUTE"):
			p.advance()
			p.expect("AS")
			o.Name = "EXECUTE AS"
			o.Value = p.optionValue()
		case p.is("RETURNS"):
			p.expect("RETURNS", "NULL", "ON", "NULL", "INPUT")
			o.Name = "RETURNS NULL ON NULL INPUT"
		case p.is("CALLED"):
			p.expect("CALLED", "ON", "NULL", "INPUT")
			o.Name = "CALLED ON NULL INPUT"
		default:
			o.Name = upperASCII(p.anyWord())
			if p.accept("=") {
				o.Value = p.optionValue()
			}
		}
		list = append(list, o)
		if !p.accept(",") {
			break
		}
	}
	return list
}

// paramDefs reads @a type [= default] [OUTPUT], ….
func (p *parser) paramDefs() []ast.ParamDef {
	var list []ast.ParamDef
	for {
		t := p.tok()
		d := ast.ParamDef{Pos: pos(t), Name: p.raw(t)}
		if t.kind != tVariable {
			p.unexpected()
			return list
		}
		p.advance()
		p.accept("AS")
		d.Type = p.typeName()
		if p.accept("VARYING") {
			p.unexpected()
		}
		p.acceptSeq("NOT", "NULL")
		p.accept("NULL")
		if p.accept("=") {
			d.Default = p.execValue()
		}
		for p.err == nil {
			if p.accept("OUTPUT") || p.accept("OUT") {
				d.Output = true
			} else if p.accept("READONLY") {
				d.ReadOnly = true
			} else {
				break
			}
		}
		list = append(list, d)
		if !p.accept(",") {
			return list
		}
	}
}

// inModule runs f with the scope of a module whose parameters are declared, and checks its labels.
func (p *parser) inModule(params []ast.ParamDef, f func()) {
	outer, loops, catches := p.scope, p.loops, p.inCatch
	p.scope, p.loops, p.inCatch = newScope(), 0, 0
	p.scope.module = true
	for _, d := range params {
		p.declare(d.Pos, d.Name, d.ReadOnly)
	}
	f()
	p.scope.checkLabels(p)
	p.scope, p.loops, p.inCatch = outer, loops, catches
}

func (p *parser) procedure(c *ast.CreateProcedure, start int) ast.Statement {
	c.Name = p.objectName()
	if p.accept(";") {
		p.integer()
	}
	switch {
	case p.is("("):
		p.advance()
		c.Params = p.paramDefs()
		p.expect(")")
	case p.tok().kind == tVariable:
		c.Params = p.paramDefs()
	}
	c.Options = p.moduleOptions()
	p.acceptSeq("FOR", "REPLICATION")
	p.expect("AS")
	if p.acceptSeq("EXTERNAL", "NAME") {
		p.fail(sqlerr.New(102, "EXTERNAL"))
	}
	p.inModule(c.Params, func() { c.Body = p.statements(func() bool { return false }) })
	c.Text = p.slice(start)
	return c
}

func (p *parser) function(c *ast.CreateFunction, start int) ast.Statement {
	c.Name = p.objectName()
	p.expect("(")
	if !p.is(")") {
		c.Params = p.paramDefs()
	}
	p.expect(")", "RETURNS")
	switch {
	case p.tok().kind == tVariable:
		c.ReturnsTable, c.TableVariable = true, p.raw(p.tok())
		p.advance()
		p.expect("TABLE")
		c.TableDef = p.tableDef()
	case p.accept("TABLE"):
		c.ReturnsTable = true
	default:
		c.Returns = p.typeName()
	}
	c.Options = p.moduleOptions()
	p.accept("AS")
	if p.is("EXTERNAL") {
		r, _ := p.refused(1).(*ast.Refused)
		r.What = "CREATE FUNCTION … EXTERNAL NAME"
		return r
	}
	p.inModule(c.Params, func() { p.functionBody(c) })
	c.Text = p.slice(start)
	for p.accept(";") {
		continue
	}
	p.end()
	return c
}

func (p *parser) functionBody(c *ast.CreateFunction) {
	if c.ReturnsTable && c.TableVariable == "" {
		p.expect("RETURN")
		if p.is("(") {
			c.Query = p.subquery()
		} else {
			c.Query = p.selectStatement(false)
		}
		return
	}
	if c.TableVariable != "" {
		p.declare(c.Pos, c.TableVariable, true)
	}
	p.expect("BEGIN")
	c.Body = p.statements(func() bool { return p.is("END") })
	p.expect("END")
}
