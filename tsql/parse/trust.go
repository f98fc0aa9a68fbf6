package parse

import (
	"linkspan/tsql/ast"
)

// masterKey reads CREATE MASTER KEY and ALTER MASTER KEY; the three words are read.
func (p *parser) masterKey(at ast.Pos, alter bool) ast.Statement {
	if alter {
		return p.alterMasterKey(at)
	}
	k := &ast.CreateMasterKey{Pos: at}
	if p.acceptSeq("ENCRYPTION", "BY") {
		k.Password = p.passwordPtr()
	}
	return k
}

func (p *parser) alterMasterKey(at ast.Pos) ast.Statement {
	k := &ast.AlterMasterKey{Pos: at, Force: p.accept("FORCE")}
	if k.Force && !p.is("REGENERATE") {
		p.unexpected()
	}
	switch k.Verb = p.oneOf("REGENERATE", "ADD", "DROP"); k.Verb {
	case "REGENERATE":
		p.expect("WITH", "ENCRYPTION", "BY")
		k.Password = p.password()
	default:
		p.expect("ENCRYPTION", "BY")
		if p.acceptSeq("SERVICE", "MASTER", "KEY") {
			k.Service = true
		} else {
			k.Password = p.password()
		}
	}
	return k
}

// certificate reads CREATE CERTIFICATE and ALTER CERTIFICATE; both words are read.
func (p *parser) certificate(at ast.Pos, alter bool) ast.Statement {
	if alter {
		return p.alterCertificate(at)
	}
	c := &ast.CreateCertificate{Pos: at, Name: p.name()}
	if p.accept("AUTHORIZATION") {
		c.Owner = p.name()
	}
	if p.accept("FROM") {
		p.certificateSource(c)
	} else {
		p.selfSigned(c)
	}
	if p.acceptSeq("ACTIVE", "FOR", "BEGIN_DIALOG") {
		p.expect("=")
		c.ActiveForBeginDialog = p.onOffPtr()
	}
	return c
}

func (p *parser) certificateSource(c *ast.CreateCertificate) {
	switch {
	case p.acceptSeq("BINARY", "="):
		c.Binary = p.hexBytes()
	case p.accept("ASSEMBLY"):
		c.Assembly = p.name()
		return
	default:
		c.Executable = p.accept("EXECUTABLE")
		p.expect("FILE", "=")
		c.File = p.strPtr()
	}
	if !p.is("WITH") || !p.isAhead(1, "PRIVATE") && !p.isAhead(1, "FORMAT") {
		return
	}
	p.advance()
	if p.acceptSeq("FORMAT", "=") {
		c.Format = p.str()
		p.accept(",")
	}
	if p.is("PRIVATE") {
		c.PrivateKey = p.privateKey()
	}
}

// selfSigned reads [ENCRYPTION BY PASSWORD = …] WITH SUBJECT = … and the dates, in any order.
func (p *parser) selfSigned(c *ast.CreateCertificate) {
	if p.acceptSeq("ENCRYPTION", "BY") {
		c.Password = p.passwordPtr()
	}
	p.expect("WITH")
	for p.err == nil {
		switch p.oneOf("SUBJECT", "START_DATE", "EXPIRY_DATE") {
		case "SUBJECT":
			p.expect("=")
			c.Subject = p.strPtr()
		case "START_DATE":
			p.expect("=")
			c.Start = p.strPtr()
		case "EXPIRY_DATE":
			p.expect("=")
			c.Expiry = p.strPtr()
		}
		if !p.accept(",") {
			break
		}
	}
	if c.Subject == nil {
		p.unexpected()
	}
}

// privateKey reads PRIVATE KEY (…).
func (p *parser) privateKey() *ast.PrivateKeyDef {
	k := &ast.PrivateKeyDef{Pos: p.here()}
	p.expect("PRIVATE", "KEY", "(")
	for p.err == nil {
		switch p.oneOf("FILE", "BINARY", "DECRYPTION", "ENCRYPTION", "ALGORITHM") {
		case "FILE":
			p.expect("=")
			k.File = p.strPtr()
		case "BINARY":
			p.expect("=")
			k.Binary = p.hexBytes()
		case "DECRYPTION":
			p.expect("BY")
			k.Decryption = p.passwordPtr()
		case "ENCRYPTION":
			p.expect("BY")
			k.Encryption = p.passwordPtr()
		case "ALGORITHM":
			p.expect("=")
			p.optionValue()
		}
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	return k
}

func (p *parser) alterCertificate(at ast.Pos) ast.Statement {
	c := &ast.AlterCertificate{Pos: at, Name: p.name()}
	switch {
	case p.acceptSeq("REMOVE", "PRIVATE", "KEY"):
		c.RemovePrivateKey = true
	case p.acceptSeq("WITH", "ACTIVE", "FOR", "BEGIN_DIALOG"):
		p.expect("=")
		c.ActiveForBeginDialog = p.onOffPtr()
	case p.accept("WITH"):
		c.PrivateKey = p.privateKey()
	default:
		p.unexpected()
	}
	return c
}

func (p *parser) backupCertificate(at ast.Pos) ast.Statement {
	b := &ast.BackupCertificate{Pos: at, Name: p.name()}
	p.expect("TO", "FILE", "=")
	b.File = p.str()
	if !p.accept("WITH") {
		return b
	}
	if p.acceptSeq("FORMAT", "=") {
		b.Format = upperASCII(p.str())
		if !p.accept(",") {
			return b
		}
	}
	b.PrivateKey = p.privateKey()
	return b
}
