package parse

import (
	"linkspan/tsql/ast"
)

// optionValue reads what stands after an option's equals sign: a number, string, variable or word.
func (p *parser) optionValue() ast.Expr {
	t := p.tok()
	switch t.kind {
	case tWord:
		p.advance()
		return &ast.Keyword{Pos: pos(t), Word: p.upper(t)}
	case tQuoted:
		p.advance()
		return &ast.Literal{Pos: pos(t), Kind: ast.LitNString, Text: p.text(t)}
	}
	return p.scalar()
}

// onOff reads ON or OFF.
func (p *parser) onOff() bool { return p.oneOf("ON", "OFF") == "ON" }

// onOffPtr reads ON or OFF for a clause that may be absent.
func (p *parser) onOffPtr() *bool {
	b := p.onOff()
	return &b
}

// optionList reads ( NAME [= value] , … ) as index and table options have it.
func (p *parser) optionList() []ast.Option {
	p.expect("(")
	var list []ast.Option
	for p.err == nil && !p.is(")") {
		o := ast.Option{Pos: p.here(), Name: upperASCII(p.anyWord())}
		if p.accept("=") {
			o.Value = p.optionValue()
			if p.is("(") {
				p.skipParens()
			}
			if p.is("MINUTES") || p.is("HOURS") || p.is("DAYS") {
				p.advance()
			}
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

// password reads PASSWORD = '…'.
func (p *parser) password() string {
	p.expect("PASSWORD", "=")
	return p.str()
}

func (p *parser) passwordPtr() *string {
	s := p.password()
	return &s
}
