package parse

import (
	"linkspan/tsql/ast"
)

// backup reads BACKUP of a database, a log, a certificate or a key.
func (p *parser) backup() ast.Statement {
	at := p.here()
	p.advance()
	switch {
	case p.accept("CERTIFICATE"):
		return p.backupCertificate(at)
	case p.isSeq("MASTER", "KEY"), p.isSeq("SERVICE", "MASTER", "KEY"):
		b := &ast.BackupMasterKey{Pos: at, Service: p.accept("SERVICE")}
		p.expect("MASTER", "KEY", "TO", "FILE", "=")
		b.File = p.str()
		p.expect("ENCRYPTION", "BY")
		b.Password = p.password()
		return b
	case p.is("SYMMETRIC"), p.is("GROUP"):
		return p.refused(1)
	}
	b := &ast.Backup{Pos: at}
	switch p.oneOf("DATABASE", "LOG", "TRAN", "TRANSACTION") {
	case "LOG", "TRAN", "TRANSACTION":
		b.Log = true
	}
	b.Database = p.nameOrVariable()
	b.Files = p.backupFiles()
	p.expect("TO")
	b.To = p.devices()
	for p.acceptSeq("MIRROR", "TO") {
		b.Mirrors = append(b.Mirrors, p.devices())
	}
	if p.accept("WITH") {
		b.Options = p.backupOptions()
	}
	return b
}

// backupFiles reads FILE = …, FILEGROUP = …, PAGE = … and READ_WRITE_FILEGROUPS before TO or FROM.
func (p *parser) backupFiles() []ast.Option {
	var list []ast.Option
	for p.err == nil && (p.is("FILE") || p.is("FILEGROUP") || p.is("PAGE") || p.is("READ_WRITE_FILEGROUPS")) {
		o := ast.Option{Pos: p.here(), Name: p.upper(p.tok())}
		p.advance()
		if p.accept("=") {
			o.Value = p.optionValue()
		}
		list = append(list, o)
		if !p.accept(",") {
			break
		}
	}
	return list
}

// devices reads DISK = '…', URL = @u, or logical devices.
func (p *parser) devices() []ast.Device {
	var list []ast.Device
	for {
		d := ast.Device{Pos: p.here()}
		switch {
		case p.is("DISK"), p.is("URL"), p.is("TAPE"), p.is("VIRTUAL_DEVICE"):
			if !p.isAhead(1, "=") {
				p.unexpectedAt(p.i + 1)
				return list
			}
			d.Kind = p.upper(p.tok())
			p.advance()
			p.advance()
			if !p.isString() && p.tok().kind != tVariable {
				p.unexpected()
				return list
			}
			d.Value = p.primary()
		case p.tok().kind == tVariable:
			d.Value = p.primary()
		default:
			id := p.ident()
			d.Value = &ast.Literal{Pos: id.Pos, Kind: ast.LitNString, Text: id.Name}
		}
		list = append(list, d)
		if !p.accept(",") {
			return list
		}
	}
}

// backupOptions reads the options of BACKUP and RESTORE, each once or more, as written.
func (p *parser) backupOptions() []ast.Option {
	var list []ast.Option
	for {
		list = append(list, p.backupOption())
		if !p.accept(",") {
			return list
		}
	}
}

func (p *parser) backupOption() ast.Option {
	o := ast.Option{Pos: p.here(), Name: upperASCII(p.anyWord())}
	switch o.Name {
	case "MOVE":
		o.Value = p.primary()
		p.expect("TO")
		o.To = p.primary()
		return o
	case "ENCRYPTION", "COMPRESSION":
		if p.is("(") {
			o.Args = p.encryptionArgs()
			return o
		}
	}
	if !p.accept("=") {
		return o
	}
	t := p.tok()
	if t.kind == tWord {
		p.advance()
		o.Value = &ast.Keyword{Pos: pos(t), Word: p.upper(t)}
	} else {
		o.Value = p.optionValue()
	}
	if (o.Name == "STOPATMARK" || o.Name == "STOPBEFOREMARK") && p.accept("AFTER") {
		o.To = p.primary()
	}
	return o
}

// encryptionArgs reads (ALGORITHM = AES_256, SERVER CERTIFICATE = c).
func (p *parser) encryptionArgs() []ast.Option {
	var list []ast.Option
	p.expect("(")
	for {
		o := ast.Option{Pos: p.here(), Name: upperASCII(p.anyWord())}
		if o.Name == "SERVER" {
			o.Name += " " + p.oneOf("CERTIFICATE", "ASYMMETRIC")
			if o.Name == "SERVER ASYMMETRIC" {
				p.expect("KEY")
				o.Name += " KEY"
			}
			p.expect("=")
			id := p.ident()
			o.Value = &ast.Literal{Pos: id.Pos, Kind: ast.LitNString, Text: id.Name}
		} else {
			p.expect("=")
			o.Value = p.optionValue()
		}
		list = append(list, o)
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	return list
}

// restore reads RESTORE of everything.
func (p *parser) restore() ast.Statement {
	at := p.here()
	p.advance()
	if p.isSeq("MASTER", "KEY") || p.isSeq("SERVICE", "MASTER", "KEY") {
		return p.restoreMasterKey(at)
	}
	if p.is("SYMMETRIC") {
		return p.refused(1)
	}
	r := &ast.Restore{Pos: at}
	r.Kind = p.oneOf("DATABASE", "LOG", "TRAN", "TRANSACTION", "HEADERONLY", "FILELISTONLY", "LABELONLY", "VERIFYONLY", "REWINDONLY")
	switch r.Kind {
	case "TRAN", "TRANSACTION":
		r.Kind = "LOG"
	}
	if r.Kind == "DATABASE" || r.Kind == "LOG" {
		r.Database = p.nameOrVariable()
		r.Files = p.backupFiles()
		if !p.accept("FROM") {
			p.restoreOptions(r)
			return r
		}
	} else {
		p.expect("FROM")
	}
	if p.acceptSeq("DATABASE_SNAPSHOT", "=") {
		r.Snapshot = p.optionValue()
		return r
	}
	r.From = p.devices()
	p.restoreOptions(r)
	return r
}

func (p *parser) restoreOptions(r *ast.Restore) {
	if p.accept("WITH") {
		r.Options = p.backupOptions()
	}
}

func (p *parser) restoreMasterKey(at ast.Pos) ast.Statement {
	r := &ast.RestoreMasterKey{Pos: at, Service: p.accept("SERVICE")}
	p.expect("MASTER", "KEY", "FROM", "FILE", "=")
	r.File = p.str()
	p.expect("DECRYPTION", "BY")
	r.Decryption = p.password()
	if !r.Service {
		p.expect("ENCRYPTION", "BY")
		r.Encryption = p.password()
	}
	r.Force = p.accept("FORCE")
	return r
}
