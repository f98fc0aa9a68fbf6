package parse

import (
	"linkspan/tsql/ast"
)

// endpoint reads CREATE ENDPOINT and ALTER ENDPOINT; both words are read.
func (p *parser) endpoint(at ast.Pos, alter bool) ast.Statement {
	e := &ast.CreateEndpoint{Pos: at, Alter: alter, Name: p.name()}
	if p.accept("AUTHORIZATION") {
		e.Owner = p.name()
	}
	if p.accept("STATE") {
		p.expect("=")
		e.State = p.oneOf("STARTED", "STOPPED", "DISABLED")
	}
	if p.accept("AS") {
		if e.Protocol = p.oneOf("TCP", "HTTP"); e.Protocol == "TCP" {
			e.TCP = p.endpointTCP()
		} else {
			p.skipParens()
		}
	} else if !alter {
		p.unexpected()
	}
	if p.accept("FOR") {
		p.payload(e)
	} else if !alter {
		p.unexpected()
	}
	return e
}

func (p *parser) payload(e *ast.CreateEndpoint) {
	switch e.Payload = p.oneOf("DATABASE_MIRRORING", "DATA_MIRRORING", "TSQL", "SERVICE_BROKER", "SOAP"); e.Payload {
	case "DATABASE_MIRRORING", "DATA_MIRRORING":
		e.Payload = "DATABASE_MIRRORING"
		e.Mirroring = p.mirroring()
	default:
		p.skipParens()
	}
}

// endpointTCP reads (LISTENER_PORT = n, LISTENER_IP = …); the comma may be missing.
func (p *parser) endpointTCP() *ast.EndpointTCP {
	t := &ast.EndpointTCP{Pos: p.here()}
	p.expect("(")
	for p.err == nil && !p.is(")") {
		switch p.oneOf("LISTENER_PORT", "LISTENER_IP") {
		case "LISTENER_PORT":
			p.expect("=")
			n := int(p.integer())
			t.Port = &n
		case "LISTENER_IP":
			p.expect("=")
			t.IP = p.listenerIP()
		}
		p.accept(",")
	}
	p.expect(")")
	return t
}

// listenerIP reads ALL, (1.2.3.4), ('::1') or ('1.2.3.4').
func (p *parser) listenerIP() string {
	if p.accept("ALL") {
		return "ALL"
	}
	p.expect("(")
	var ip string
	if p.isString() {
		ip = p.str()
	} else {
		from := p.i
		for (p.tok().kind == tInteger || p.tok().kind == tDecimal || p.is(".")) && p.err == nil {
			p.advance()
		}
		if ip = p.slice(from); ip == "" {
			p.unexpected()
		}
	}
	p.expect(")")
	return ip
}

// mirroring reads the options of FOR DATABASE_MIRRORING in any order; commas may be missing.
func (p *parser) mirroring() *ast.EndpointMirroring {
	m := &ast.EndpointMirroring{Pos: p.here()}
	p.expect("(")
	for p.err == nil && !p.is(")") {
		switch p.oneOf("AUTHENTICATION", "ENCRYPTION", "ROLE") {
		case "AUTHENTICATION":
			p.expect("=")
			m.Authentication = p.authentication()
		case "ENCRYPTION":
			p.expect("=")
			m.Encryption = p.oneOf("DISABLED", "SUPPORTED", "REQUIRED")
			if p.accept("ALGORITHM") {
				m.Algorithms = p.algorithms()
			}
		case "ROLE":
			p.expect("=")
			m.Role = p.oneOf("WITNESS", "PARTNER", "ALL")
		}
		p.accept(",")
	}
	p.expect(")")
	return m
}

func (p *parser) authentication() []ast.EndpointAuth {
	var list []ast.EndpointAuth
	for p.err == nil && len(list) < 2 {
		a := ast.EndpointAuth{Pos: p.here()}
		switch {
		case p.accept("WINDOWS"):
			a.Kind = "WINDOWS"
			for _, w := range []string{"NTLM", "KERBEROS", "NEGOTIATE"} {
				if a.Windows == "" && p.accept(w) {
					a.Windows = w
				}
			}
		case p.accept("CERTIFICATE"):
			a.Kind = "CERTIFICATE"
			a.Certificate = p.name()
		default:
			if len(list) == 0 {
				p.unexpected()
			}
			return list
		}
		if len(list) == 1 && list[0].Kind == a.Kind {
			p.unexpectedAt(p.i - 1)
		}
		list = append(list, a)
	}
	return list
}

func (p *parser) algorithms() []string {
	list := []string{p.oneOf("AES", "RC4")}
	if p.is("AES") || p.is("RC4") {
		if w := p.upper(p.tok()); w != list[0] {
			p.advance()
			list = append(list, w)
		}
	}
	return list
}
