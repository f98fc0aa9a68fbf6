package parse

import (
	"math/big"
	"strconv"
	"strings"

	"linkspan/sqlerr"
	"linkspan/tsql/ast"
)

// isName reports whether t can be a name: a quoted one, or a word that is not reserved.
func isName(t *token) bool {
	return t.kind == tQuoted || t.kind == tWord && !t.reserved
}

// ident reads one name.
func (p *parser) ident() ast.Ident {
	t := p.tok()
	id := ast.Ident{Pos: p.here(), Quoted: t.kind == tQuoted}
	if !isName(t) {
		p.unexpected()
		return id
	}
	id.Name = p.text(t)
	p.advance()
	return id
}

// name reads one name and forgets where it stood.
func (p *parser) name() string { return p.ident().Name }

// anyWord reads one word as a name even if it is reserved, where nothing else can stand.
func (p *parser) anyWord() string {
	t := p.tok()
	if t.kind != tWord && t.kind != tQuoted {
		p.unexpected()
		return ""
	}
	s := p.text(t)
	p.advance()
	return s
}

// objectName reads up to four names with dots; db..t leaves the middle one out.
func (p *parser) objectName() ast.ObjectName {
	at := p.here()
	var parts [4]string
	n := 0
	if p.is(".") { // ..t and .t stand for the current database and schema
		n = 1
		p.advance()
		if p.accept(".") {
			n = 2
		}
	}
	for {
		if n == len(parts) {
			p.fail(sqlerr.New(117, "object", head(p.text(p.tok())), len(parts)-1))
			return ast.ObjectName{}
		}
		parts[n] = p.name()
		n++
		if p.err != nil || !p.accept(".") {
			break
		}
		for n < len(parts)-1 && p.accept(".") {
			n++
		}
	}
	return nameFrom(at, parts[:n])
}

// nameFrom spreads parts over the fields, the last one being the name.
func nameFrom(at ast.Pos, parts []string) ast.ObjectName {
	o := ast.ObjectName{Pos: at}
	for i, dst := range []*string{&o.Name, &o.Schema, &o.Database, &o.Server} {
		if j := len(parts) - 1 - i; j >= 0 {
			*dst = parts[j]
		}
	}
	return o
}

// identList reads (a, b, …).
func (p *parser) identList() []ast.Ident {
	var list []ast.Ident
	if !p.expect("(") {
		return nil
	}
	for {
		list = append(list, p.ident())
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	return list
}

// nameList reads a, b, … without parentheses.
func (p *parser) nameList() []ast.Ident {
	var list []ast.Ident
	for {
		list = append(list, p.ident())
		if !p.accept(",") {
			return list
		}
	}
}

// isString reports whether the current token is a string.
func (p *parser) isString() bool {
	k := p.tok().kind
	return k == tString || k == tNString
}

// str reads a string where only a literal may stand.
func (p *parser) str() string {
	if !p.isString() {
		p.unexpected()
		return ""
	}
	s := p.text(p.tok())
	p.advance()
	return s
}

// strPtr reads a string for a clause that may be absent.
func (p *parser) strPtr() *string {
	s := p.str()
	return &s
}

// hexBytes reads 0x….
func (p *parser) hexBytes() []byte {
	t := p.tok()
	if t.kind != tHex {
		p.unexpected()
		return nil
	}
	b := decodeHex(p.raw(t)[2:])
	p.advance()
	return b
}

// decodeHex reads hex digits; an odd count has a zero before it.
func decodeHex(s string) []byte {
	if len(s)%2 == 1 {
		s = "0" + s
	}
	b := make([]byte, len(s)/2)
	for i := range b {
		b[i] = hexDigit(s[2*i])<<4 | hexDigit(s[2*i+1])
	}
	return b
}

func hexDigit(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

// integer reads a whole number that fits 64 bits, with an optional minus.
func (p *parser) integer() int64 {
	i := p.i
	minus := p.accept("-")
	t := p.tok()
	if t.kind != tInteger {
		p.unexpected()
		return 0
	}
	s := p.raw(t)
	if minus {
		s = "-" + s
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		p.unexpectedAt(i)
		return 0
	}
	p.advance()
	return n
}

func (p *parser) integerPtr() *int64 {
	n := p.integer()
	return &n
}

// digits reads a whole number of any size as text, for identity seeds.
func (p *parser) digits() string {
	sign := ""
	if p.accept("-") {
		sign = "-"
	} else {
		p.accept("+")
	}
	t := p.tok()
	if t.kind != tInteger && t.kind != tDecimal {
		p.unexpected()
		return ""
	}
	n, ok := new(big.Int).SetString(strings.TrimRight(p.raw(t), "."), 10)
	if !ok || t.end-t.start > 40 {
		p.unexpected()
		return ""
	}
	p.advance()
	return sign + n.String()
}

// longTypes are the type names of more than one word.
var longTypes = [][]string{
	{"DOUBLE", "PRECISION"},
	{"NATIONAL", "CHARACTER", "VARYING"}, {"NATIONAL", "CHAR", "VARYING"}, {"NATIONAL", "CHARACTER"}, {"NATIONAL", "CHAR"},
	{"NATIONAL", "TEXT"}, {"CHARACTER", "VARYING"}, {"CHAR", "VARYING"}, {"BINARY", "VARYING"},
}

// typeName reads a data type. A collation after it is left to the caller's grammar.
func (p *parser) typeName() ast.TypeName {
	t := ast.TypeName{Pos: p.here()}
	for _, words := range longTypes {
		if p.acceptSeq(words...) {
			t.Name = strings.ToLower(strings.Join(words, " "))
			break
		}
	}
	if t.Name == "" {
		n := p.objectName()
		t.Schema, t.Name = n.Schema, strings.ToLower(n.Name)
	}
	if p.err != nil || !p.is("(") {
		return t
	}
	p.advance()
	if p.accept("MAX") {
		t.Max = true
		p.expect(")")
		return t
	}
	for {
		n := p.integer()
		if n < -1<<31 || n > 1<<31-1 {
			p.unexpected()
		}
		t.Args = append(t.Args, int(n))
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	return t
}
