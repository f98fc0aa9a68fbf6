package sqlfn

import (
	"unicode/utf8"

	"github.com/ncruces/go-sqlite3"

	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// pattern is a compiled LIKE pattern.
type pattern struct {
	text, escape string
	coll         *sqltype.Collation
	order        *sqltype.Comparer
	tokens       []token
	// prefix and suffix blanks of a varchar do not count.
	blanks bool
}

type tokenKind uint8

const (
	tokenChar  tokenKind = iota
	tokenAny             // _
	tokenRun             // %
	tokenSet             // [a-z]
	tokenNever           // an unclosed [
)

type token struct {
	kind   tokenKind
	char   rune // folded
	not    bool
	ranges [][2]rune
}

// compileLike reads a pattern: % _ [set] [^set], and the escape character before any of them.
func compileLike(text string, escape rune, t sqltype.Type) *pattern {
	p := &pattern{text: text, coll: sqltype.CollationOf(t), blanks: !t.Kind.IsUnicode()}
	p.order = sqltype.NewComparer(p.coll)
	r := []rune(text)
	for i := 0; i < len(r); i++ {
		switch c := r[i]; {
		case c == escape && escape >= 0:
			if i+1 < len(r) {
				i++
				p.tokens = append(p.tokens, token{kind: tokenChar, char: p.coll.Fold(r[i])})
			} else {
				p.tokens = append(p.tokens, token{kind: tokenNever})
			}
		case c == '%':
			if n := len(p.tokens); n == 0 || p.tokens[n-1].kind != tokenRun {
				p.tokens = append(p.tokens, token{kind: tokenRun})
			}
		case c == '_':
			p.tokens = append(p.tokens, token{kind: tokenAny})
		case c == '[':
			t, next := p.set(r, i+1, escape)
			p.tokens = append(p.tokens, t)
			i = next
		default:
			p.tokens = append(p.tokens, token{kind: tokenChar, char: p.coll.Fold(c)})
		}
	}
	return p
}

// set reads what follows a [ and gives the place of its ].
func (p *pattern) set(r []rune, i int, escape rune) (token, int) {
	t := token{kind: tokenSet}
	if i < len(r) && r[i] == '^' {
		t.not = true
		i++
	}
	for ; i < len(r); i++ {
		c := r[i]
		if c == ']' {
			return t, i
		}
		if c == escape && escape >= 0 && i+1 < len(r) {
			i++
			c = r[i]
		}
		hi := c
		if i+2 < len(r) && r[i+1] == '-' && r[i+2] != ']' {
			hi = r[i+2]
			i += 2
		}
		t.ranges = append(t.ranges, [2]rune{p.coll.Fold(c), p.coll.Fold(hi)})
	}
	return token{kind: tokenNever}, len(r)
}

// match reports whether all of s matches. It remembers only the last %, so its work is at most len(s) times the number
// of tokens.
func (p *pattern) match(s []byte) bool {
	end := len(s)
	if p.blanks {
		end = len(trimRight(s))
	}
	i, k := 0, 0
	backI, backK := -1, 0
	for {
		if k < len(p.tokens) && p.tokens[k].kind == tokenRun {
			k++
			backI, backK = i, k
			continue
		}
		if k == len(p.tokens) {
			if i == len(s) || i >= end {
				return true
			}
		} else if i < len(s) {
			if w := p.step(&p.tokens[k], s[i:]); w > 0 {
				i += w
				k++
				continue
			}
		}
		if backI < 0 || backI >= len(s) {
			return false
		}
		_, w := utf8.DecodeRune(s[backI:])
		backI += w
		i, k = backI, backK
	}
}

// step matches one character and gives its width, 0 when it does not match.
func (p *pattern) step(t *token, s []byte) int {
	r, w := rune(s[0]), 1
	if r >= utf8.RuneSelf {
		r, w = utf8.DecodeRune(s)
	}
	switch t.kind {
	case tokenAny:
		return w
	case tokenChar:
		if t.char == p.coll.Fold(r) {
			return w
		}
	case tokenSet:
		if p.inSet(t, p.coll.Fold(r)) != t.not {
			return w
		}
	}
	return 0
}

func (p *pattern) inSet(t *token, r rune) bool {
	for _, x := range t.ranges {
		if x[0] == r || x[1] == r || x[0] != x[1] && p.compare(x[0], r) <= 0 && p.compare(r, x[1]) <= 0 {
			return true
		}
	}
	return false
}

// compare orders two characters under the collation.
func (p *pattern) compare(a, b rune) int {
	var x, y [utf8.UTFMax]byte
	return p.order.Compare(x[:utf8.EncodeRune(x[:], a)], y[:utf8.EncodeRune(y[:], b)])
}

func trimRight(s []byte) []byte {
	n := len(s)
	for n > 0 && s[n-1] == ' ' {
		n--
	}
	return s[:n]
}

// patternFor gives the compiled pattern, from the last few of the connection if it is among them.
func (e *Env) patternFor(text []byte, escape string, t sqltype.Type) *pattern {
	c := sqltype.CollationOf(t)
	for _, p := range e.patterns {
		if p != nil && p.text == string(text) && p.escape == escape && p.coll == c && p.blanks == !t.Kind.IsUnicode() {
			return p
		}
	}
	r := rune(-1)
	if escape != "" {
		r, _ = utf8.DecodeRuneInString(escape)
	}
	p := compileLike(string(text), r, t)
	p.escape = escape
	e.patterns[e.nextPattern] = p
	e.nextPattern = (e.nextPattern + 1) % len(e.patterns)
	return p
}

// likeValue is ls_like(text, pattern, type [, escape]).
func likeValue(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	escape := ""
	if len(arg) == 4 {
		if arg[3].Type() == sqlite3.NULL {
			return
		}
		if escape = arg[3].Text(); utf8.RuneCountInString(escape) != 1 {
			e.fail(ctx, sqlerr.New(506, escape))
			return
		}
	}
	p := e.patternFor(arg[1].RawText(), escape, typeArg(arg[2]))
	ctx.ResultBool(p.match(arg[0].RawText()))
}

// patIndex is ls_patindex(pattern, text, type): the character at which the pattern, without its leading %, matches first.
func patIndex(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	p := *e.patternFor(arg[0].RawText(), "", typeArg(arg[2]))
	p.blanks = false
	s := arg[1].RawText()
	if len(p.tokens) == 0 || p.tokens[0].kind != tokenRun {
		ctx.ResultBool(p.match(s))
		return
	}
	ctx.ResultInt64(p.find(p.tokens[1:], s))
}

// find gives the place, from 1, where tokens match the rest of s; 0 for none. What stands before the next % is tried at
// each place; what comes after it is tried once, for if it is not found behind the first such place, it is not found
// behind a later one.
func (p *pattern) find(tokens []token, s []byte) int64 {
	n := 0
	for n < len(tokens) && tokens[n].kind != tokenRun {
		n++
	}
	for i, pos := 0, int64(1); i < len(s) || n == 0 && pos == 1; pos++ {
		if end := p.fixed(tokens[:n], s[i:]); end >= 0 {
			if n < len(tokens) {
				p.tokens = tokens[n:]
				if p.match(s[i+end:]) && len(s) > 0 {
					return pos
				}
				return 0
			}
			if i+end == len(s) && n > 0 {
				return pos
			}
		}
		_, w := utf8.DecodeRune(s[i:])
		i += max(w, 1)
	}
	if n == 0 && len(tokens) == 0 && len(s) > 0 {
		return 1
	}
	return 0
}

// fixed matches tokens without % at the begin of s and gives the bytes they took, -1 when they do not match.
func (p *pattern) fixed(tokens []token, s []byte) int {
	i := 0
	for k := range tokens {
		if i >= len(s) {
			return -1
		}
		w := p.step(&tokens[k], s[i:])
		if w == 0 {
			return -1
		}
		i += w
	}
	return i
}
