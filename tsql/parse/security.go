package parse

import (
	"strings"

	"linkspan/tsql/ast"
)

// login reads CREATE LOGIN and ALTER LOGIN; both words are read.
func (p *parser) login(at ast.Pos, alter bool) ast.Statement {
	l := &ast.CreateLogin{Pos: at, Alter: alter, Name: p.name()}
	switch {
	case alter && (p.is("ENABLE") || p.is("DISABLE")):
		on := p.is("ENABLE")
		l.Enable = &on
		p.advance()
		return l
	case alter && (p.is("ADD") || p.is("DROP")):
		p.advance()
		p.expect("CREDENTIAL")
		l.Options = append(l.Options, ast.Option{Pos: at, Name: "CREDENTIAL", Value: p.nameValue()})
		return l
	case !alter && p.accept("FROM"):
		p.loginSource(l)
		if !p.is("WITH") {
			return l
		}
	}
	p.expect("WITH")
	for p.err == nil {
		p.loginOption(l)
		if !p.accept(",") {
			break
		}
	}
	return l
}

func (p *parser) loginSource(l *ast.CreateLogin) {
	switch {
	case p.accept("WINDOWS"):
		l.Source = "WINDOWS"
	case p.acceptSeq("EXTERNAL", "PROVIDER"):
		l.Source = "EXTERNAL PROVIDER"
	case p.accept("CERTIFICATE"):
		l.Source, l.SourceName = "CERTIFICATE", p.name()
	case p.acceptSeq("ASYMMETRIC", "KEY"):
		l.Source, l.SourceName = "ASYMMETRIC KEY", p.name()
	default:
		p.unexpected()
	}
}

// nameValue reads a name as an option's value.
func (p *parser) nameValue() ast.Expr {
	id := p.ident()
	return &ast.Literal{Pos: id.Pos, Kind: ast.LitNString, Text: id.Name}
}

func (p *parser) loginOption(l *ast.CreateLogin) {
	o := ast.Option{Pos: p.here(), Name: upperASCII(p.anyWord())}
	if o.Name == "NO" {
		p.expect("CREDENTIAL")
		return
	}
	p.expect("=")
	switch o.Name {
	case "PASSWORD":
		if p.tok().kind == tHex {
			l.PasswordHash = p.hexBytes()
			p.expect("HASHED")
		} else {
			l.Password = p.strPtr()
		}
		for p.err == nil {
			switch {
			case p.accept("MUST_CHANGE"):
				l.MustChange = true
			case p.accept("UNLOCK"):
				l.Unlock = true
			case p.acceptSeq("OLD_PASSWORD", "="):
				l.OldPassword = p.strPtr()
			default:
				return
			}
		}
		return
	case "OLD_PASSWORD":
		l.OldPassword = p.strPtr()
		return
	case "SID":
		l.SID = p.hexBytes()
		return
	case "CHECK_POLICY", "CHECK_EXPIRATION":
		o.Value = &ast.Keyword{Pos: p.here(), Word: p.oneOf("ON", "OFF")}
	default:
		o.Value = p.nameValue()
	}
	l.Options = append(l.Options, o)
}

// user reads CREATE USER and ALTER USER; both words are read.
func (p *parser) user(at ast.Pos, alter bool) ast.Statement {
	u := &ast.CreateUser{Pos: at, Alter: alter, Name: p.name()}
	switch {
	case alter:
	case p.acceptSeq("WITHOUT", "LOGIN"):
		u.Source = "WITHOUT LOGIN"
	case p.is("FOR"), p.is("FROM"):
		p.advance()
		switch {
		case p.accept("LOGIN"):
			u.Source, u.SourceName = "LOGIN", p.name()
		case p.accept("CERTIFICATE"):
			u.Source, u.SourceName = "CERTIFICATE", p.name()
		case p.acceptSeq("ASYMMETRIC", "KEY"):
			u.Source, u.SourceName = "ASYMMETRIC KEY", p.name()
		case p.acceptSeq("EXTERNAL", "PROVIDER"):
			u.Source = "EXTERNAL PROVIDER"
		default:
			p.unexpected()
		}
	}
	if !p.accept("WITH") {
		if alter {
			p.unexpected()
		}
		return u
	}
	for p.err == nil {
		o := ast.Option{Pos: p.here(), Name: upperASCII(p.anyWord())}
		p.expect("=")
		if p.isString() || p.is("NULL") || p.tok().kind == tHex {
			o.Value = p.primary()
		} else if p.is("ON") || p.is("OFF") {
			o.Value = p.optionValue()
		} else {
			o.Value = p.nameValue()
		}
		u.Options = append(u.Options, o)
		if !p.accept(",") {
			break
		}
	}
	return u
}

// role reads CREATE and ALTER [SERVER] ROLE.
func (p *parser) role(at ast.Pos, alter bool) ast.Statement {
	r := &ast.RoleStatement{Pos: at, Server: p.accept("SERVER"), Verb: "CREATE"}
	p.expect("ROLE")
	r.Name = p.name()
	if !alter {
		if p.accept("AUTHORIZATION") {
			r.Member = p.name()
		}
		return r
	}
	switch {
	case p.acceptSeq("ADD", "MEMBER"):
		r.Verb, r.Member = "ADD MEMBER", p.name()
	case p.acceptSeq("DROP", "MEMBER"):
		r.Verb, r.Member = "DROP MEMBER", p.name()
	default:
		p.expect("WITH", "NAME", "=")
		r.Verb, r.Member = "RENAME", p.name()
	}
	return r
}

// permission reads GRANT, DENY and REVOKE.
func (p *parser) permission() ast.Statement {
	g := &ast.Permission{Pos: p.here(), Verb: p.upper(p.tok())}
	p.advance()
	if g.Verb == "REVOKE" && p.acceptSeq("GRANT", "OPTION", "FOR") {
		g.GrantOption = true
	}
	for p.err == nil {
		var ws []string
		for p.tok().kind == tWord && !p.is("ON") && !p.is("TO") && !p.is("FROM") {
			ws = append(ws, p.upper(p.tok()))
			p.advance()
		}
		if len(ws) == 0 {
			p.unexpected()
			return g
		}
		name := strings.TrimSuffix(strings.Join(ws, " "), " PRIVILEGES")
		g.Permissions = append(g.Permissions, name)
		if p.is("(") {
			g.Columns = append(g.Columns, p.identList()...)
		}
		if !p.accept(",") {
			break
		}
	}
	if p.accept("ON") {
		g.Class, g.On = p.securable()
		if p.is("(") {
			g.Columns = append(g.Columns, p.identList()...)
		}
	}
	if g.Verb == "REVOKE" {
		p.oneOf("FROM", "TO")
	} else {
		p.expect("TO")
	}
	p.grantees(g)
	return g
}

func (p *parser) grantees(g *ast.Permission) {
	for {
		at := p.here()
		if p.accept("PUBLIC") {
			g.Principals = append(g.Principals, ast.Ident{Pos: at, Name: "public"})
		} else {
			g.Principals = append(g.Principals, p.ident())
		}
		if !p.accept(",") {
			break
		}
	}
	if p.acceptSeq("WITH", "GRANT", "OPTION") {
		g.GrantOption = true
	}
	g.Cascade = p.accept("CASCADE")
	if p.accept("AS") {
		g.As = p.name()
	}
}

// securable reads [class::]name.
func (p *parser) securable() (string, ast.ObjectName) {
	n := 0
	for p.ahead(n).kind == tWord && n < 4 {
		n++
	}
	if n == 0 || !p.isAhead(n, "::") {
		return "", p.objectName()
	}
	var ws []string
	for ; n > 0; n-- {
		ws = append(ws, p.upper(p.tok()))
		p.advance()
	}
	p.advance()
	return strings.Join(ws, " "), p.objectName()
}
