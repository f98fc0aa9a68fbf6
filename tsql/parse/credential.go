package parse

import "linkspan/tsql/ast"

// credential reads CREATE CREDENTIAL and ALTER CREDENTIAL; both words are read.
func (p *parser) credential(at ast.Pos, alter bool) ast.Statement {
	c := &ast.CreateCredential{Pos: at, Alter: alter, Name: p.name()}
	p.expect("WITH", "IDENTITY", "=")
	c.Identity = p.str()
	if p.accept(",") {
		p.expect("SECRET", "=")
		secret := p.str()
		c.Secret = &secret
	}
	return c
}
