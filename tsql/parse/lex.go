package parse

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"linkspan/sqlerr"
)

// kind is the kind of a token.
type kind uint8

const (
	tEOF kind = iota
	tWord
	tQuoted // [name] or "name"
	tString
	tNString
	tInteger
	tDecimal
	tFloat
	tMoney
	tHex
	tVariable
	tSystem // @@name
	tOp
)

// token is one lexeme. Its word is the upper-case spelling of a known word or an operator, "" otherwise.
type token struct {
	kind       kind
	reserved   bool
	start, end int32
	line, col  int32
	word       string
}

// Limits on what is accepted. They bound memory and time for text that strangers send; each is far above what scripts use.
const (
	maxTokens     = 4 << 20
	maxIdentifier = 128
)

type lexer struct {
	src       string
	pos       int
	line      int32
	lineStart int
	quotedOff bool
	toks      []token
}

// lex cuts the whole text into tokens, the last of which is tEOF.
func lex(src string, quotedOff bool) ([]token, *sqlerr.Error) {
	l := &lexer{src: src, line: 1, quotedOff: quotedOff, toks: make([]token, 0, len(src)/5+8)}
	for {
		if err := l.skipSpace(); err != nil {
			return nil, err
		}
		if l.pos >= len(src) {
			l.add(tEOF, l.pos, "")
			return l.toks, nil
		}
		if len(l.toks) >= maxTokens {
			return nil, sqlerr.New(8632).WithLine(int(l.line))
		}
		if err := l.next(); err != nil {
			return nil, err.WithLine(int(l.line))
		}
	}
}

// add appends the token that reaches from start to l.pos.
func (l *lexer) add(k kind, start int, w string) {
	l.toks = append(l.toks, token{kind: k, start: int32(start), end: int32(l.pos), line: l.line, col: int32(start - l.lineStart + 1), word: w})
}

func (l *lexer) newLine() {
	l.line++
	l.lineStart = l.pos
}

// skipSpace passes white space and comments; comments between /* and */ nest.
func (l *lexer) skipSpace() *sqlerr.Error {
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		switch {
		case c == '\n':
			l.pos++
			l.newLine()
		case c <= ' ':
			l.pos++
		case c == '-' && l.at(1) == '-':
			for l.pos < len(l.src) && l.src[l.pos] != '\n' {
				l.pos++
			}
		case c == '/' && l.at(1) == '*':
			if err := l.blockComment(); err != nil {
				return err
			}
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(l.src[l.pos:])
			if !unicode.IsSpace(r) && r != '\ufeff' && r != '\u200b' {
				return nil
			}
			l.pos += n
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) blockComment() *sqlerr.Error {
	line := l.line
	depth := 0
	for l.pos < len(l.src) {
		switch {
		case strings.HasPrefix(l.src[l.pos:], "/*"):
			depth++
			l.pos += 2
		case strings.HasPrefix(l.src[l.pos:], "*/"):
			l.pos += 2
			if depth--; depth == 0 {
				return nil
			}
		case l.src[l.pos] == '\n':
			l.pos++
			l.newLine()
		default:
			l.pos++
		}
	}
	return sqlerr.New(113).WithLine(int(line))
}

// at is the byte n places on, 0 past the end.
func (l *lexer) at(n int) byte {
	if l.pos+n < len(l.src) {
		return l.src[l.pos+n]
	}
	return 0
}

func (l *lexer) next() *sqlerr.Error {
	c := l.src[l.pos]
	switch {
	case c == '\'':
		return l.quoted(tString, 0, '\'')
	case c == '"':
		if l.quotedOff {
			return l.quoted(tString, 0, '"')
		}
		return l.quoted(tQuoted, 0, '"')
	case c == '[':
		return l.quoted(tQuoted, 0, ']')
	case (c == 'N' || c == 'n') && l.at(1) == '\'':
		return l.quoted(tNString, 1, '\'')
	case c >= '0' && c <= '9' || c == '.' && isDigit(l.at(1)):
		l.number()
	case c == '@':
		return l.variable()
	case c == '$':
		return l.money()
	case isWordStart(c) || c >= utf8.RuneSelf:
		return l.wordToken()
	default:
		l.operator()
	}
	return nil
}

// quoted reads a string or quoted name that begins with skip bytes before its opening mark and ends with end, which is
// doubled inside. The token keeps the marks; text takes them off.
func (l *lexer) quoted(k kind, skip int, end byte) *sqlerr.Error {
	start, line, lineStart := l.pos, l.line, l.lineStart
	l.pos += skip + 1
	body := l.pos
	for l.pos < len(l.src) {
		switch l.src[l.pos] {
		case end:
			l.pos++
			if l.at(0) == end {
				l.pos++
				continue
			}
			t := token{kind: k, start: int32(start), end: int32(l.pos), line: line, col: int32(start - lineStart + 1)}
			if k == tQuoted {
				if n := l.pos - 1 - body; n == 0 {
					return sqlerr.New(1038)
				} else if n > maxIdentifier && tooLong(strings.ReplaceAll(l.src[body:l.pos-1], string([]byte{end, end}), string(end))) {
					return sqlerr.New(103, "identifier", head(l.src[body:l.pos-1]), maxIdentifier)
				}
			}
			l.toks = append(l.toks, t)
			return nil
		case '\n':
			l.pos++
			l.newLine()
		default:
			l.pos++
		}
	}
	return sqlerr.New(105, head(l.src[body:])).WithLine(int(line))
}

// number reads 1, 1.5, .5, 1e3 and 0xFF.
func (l *lexer) number() {
	start := l.pos
	if l.src[l.pos] == '0' && (l.at(1) == 'x' || l.at(1) == 'X') {
		l.pos += 2
		for isHex(l.at(0)) {
			l.pos++
		}
		l.add(tHex, start, "")
		return
	}
	k := tInteger
	for isDigit(l.at(0)) {
		l.pos++
	}
	if l.at(0) == '.' {
		k = tDecimal
		l.pos++
		for isDigit(l.at(0)) {
			l.pos++
		}
	}
	if c := l.at(0); c == 'e' || c == 'E' {
		// 1e and 1e+ are numbers too: the exponent is 0.
		k = tFloat
		l.pos++
		if c := l.at(0); c == '+' || c == '-' {
			l.pos++
		}
		for isDigit(l.at(0)) {
			l.pos++
		}
	}
	l.add(k, start, "")
}

func (l *lexer) variable() *sqlerr.Error {
	start := l.pos
	l.pos++
	k := tVariable
	if l.at(0) == '@' {
		l.pos++
		k = tSystem
	}
	l.skipWord()
	if l.pos-start > maxIdentifier && tooLong(l.src[start:l.pos]) {
		return sqlerr.New(103, "identifier", head(l.src[start:l.pos]), maxIdentifier)
	}
	l.add(k, start, "")
	return nil
}

// money reads $1,234.50, a lone $ (0), and the pseudo columns such as $action.
func (l *lexer) money() *sqlerr.Error {
	start := l.pos
	l.pos++
	if isWordStart(l.at(0)) {
		l.skipWord()
		l.add(tWord, start, "")
		return nil
	}
	for isDigit(l.at(0)) || l.at(0) == ',' && isDigit(l.at(1)) {
		l.pos++
	}
	if l.at(0) == '.' {
		l.pos++
		for isDigit(l.at(0)) {
			l.pos++
		}
	}
	l.add(tMoney, start, "")
	return nil
}

func (l *lexer) wordToken() *sqlerr.Error {
	start := l.pos
	l.skipWord()
	if l.pos == start { // a character that begins nothing
		_, n := utf8.DecodeRuneInString(l.src[l.pos:])
		l.pos += n
		l.add(tOp, start, "?")
		return nil
	}
	if l.pos-start > maxIdentifier && tooLong(l.src[start:l.pos]) {
		return sqlerr.New(103, "identifier", head(l.src[start:l.pos]), maxIdentifier)
	}
	w := lookUp(l.src[start:l.pos])
	l.add(tWord, start, w.text)
	l.toks[len(l.toks)-1].reserved = w.reserved
	return nil
}

// skipWord passes the characters of a name.
func (l *lexer) skipWord() {
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		if c < utf8.RuneSelf {
			if !isWordStart(c) && !isDigit(c) && c != '@' && c != '$' {
				return
			}
			l.pos++
			continue
		}
		r, n := utf8.DecodeRuneInString(l.src[l.pos:])
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r) && !unicode.Is(unicode.Mc, r) {
			return
		}
		l.pos += n
	}
}

// operators are the lexemes of two characters and more, longest first.
var operators = []string{"<<=", ">>=", "||=", "<=", ">=", "<>", "!=", "!<", "!>", "+=", "-=", "*=", "/=", "%=", "&=", "^=", "|=", "::", "<<", ">>", "||"}

const singles = "()[]{},;.=<>+-*/%&|^~!:?\\#`"

func (l *lexer) operator() {
	start := l.pos
	for _, op := range operators {
		if strings.HasPrefix(l.src[l.pos:], op) {
			l.pos += len(op)
			l.add(tOp, start, op)
			return
		}
	}
	l.pos++
	if i := strings.IndexByte(singles, l.src[start]); i >= 0 {
		l.add(tOp, start, singles[i:i+1])
		return
	}
	l.add(tOp, start, "?")
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHex(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func isWordStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '#'
}

// tooLong counts characters as SQL Server does, in UTF-16 units.
func tooLong(s string) bool {
	n := 0
	for _, r := range s {
		n++
		if r > 0xffff {
			n++
		}
	}
	return n > maxIdentifier
}

// head is what messages show of a long text.
func head(s string) string {
	n := 0
	for i := range s {
		if n == maxIdentifier {
			return s[:i]
		}
		n++
	}
	return s
}
