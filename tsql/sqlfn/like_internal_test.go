package sqlfn

import (
	"strings"
	"testing"
	"time"

	"linkspan/sqltype"
)

// slowLike is LIKE by definition, one rule a line, exponential: the reference for short strings.
func slowLike(p *pattern, tokens []token, s []byte) bool {
	if len(tokens) == 0 {
		return len(s) == 0 || p.blanks && len(trimRight(s)) == 0
	}
	if tokens[0].kind == tokenRun {
		for i := 0; i <= len(s); i++ {
			if slowLike(p, tokens[1:], s[i:]) {
				return true
			}
		}
		return false
	}
	if len(s) == 0 {
		return false
	}
	w := p.step(&tokens[0], s)
	return w > 0 && slowLike(p, tokens[1:], s[w:])
}

func FuzzLike(f *testing.F) {
	for _, c := range [][2]string{{"a%b_c[a-z]", "axxbyc"}, {"%%_", "é"}, {"[^", "x"}, {"a%a%a", "aaaa"}, {"[]-a]", "-"}, {"a ", "a  "}} {
		f.Add(c[0], c[1], true)
	}
	f.Fuzz(func(t *testing.T, pat, s string, unicode bool) {
		if len(pat) > 12 || len(s) > 12 {
			return
		}
		typ := sqltype.Type{Kind: sqltype.VarChar, Len: sqltype.MaxLen}
		if unicode {
			typ.Kind = sqltype.NVarChar
		}
		s = strings.ToValidUTF8(s, "?")
		p := compileLike(strings.ToValidUTF8(pat, "?"), '!', typ)
		if got, want := p.match([]byte(s)), slowLike(p, p.tokens, []byte(s)); got != want {
			t.Fatalf("%q like %q is %v, want %v", s, pat, got, want)
		}
	})
}

// PATINDEX by definition: the first place from which the rest matches.
func FuzzPatIndex(f *testing.F) {
	for _, c := range [][2]string{{"%b%", "abc"}, {"%", ""}, {"%", "x"}, {"%a%b", "xaxab"}, {"%_", "é"}, {"%[b]%c%", "abxc"}} {
		f.Add(c[0], c[1])
	}
	f.Fuzz(func(t *testing.T, pat, s string) {
		if len(pat) > 10 || len(s) > 10 || !strings.HasPrefix(pat, "%") {
			return
		}
		s = strings.ToValidUTF8(s, "?")
		p := compileLike(strings.ToValidUTF8(pat, "?"), -1, sqltype.Type{Kind: sqltype.NVarChar})
		want, pos := int64(0), int64(0)
		rest := p.tokens[1:]
		for i := range s {
			pos++
			if slowLike(p, rest, []byte(s[i:])) {
				want = pos
				break
			}
		}
		if len(rest) == 0 && s != "" {
			want = 1 // % alone
		}
		q := *p
		if got := q.find(rest, []byte(s)); got != want {
			t.Fatalf("patindex(%q, %q) = %d, want %d", pat, s, got, want)
		}
	})
}

// The long and the short search agree.
func TestSearchesAgree(t *testing.T) {
	t.Parallel()
	ci := sqltype.CollationOf(sqltype.Type{})
	for _, c := range [][2]string{{"aabaabaaab", "AAAB"}, {"xÉyé", "é"}, {"abc", "d"}, {"ababab", "babb"}, {"aaa", "aaaa"}} {
		a, b := index([]byte(c[0]), []byte(c[1]), ci)
		x, y := indexLong([]byte(c[0]), []byte(c[1]), ci)
		if a != x || a >= 0 && b != y {
			t.Errorf("%q in %q: %d-%d and %d-%d", c[1], c[0], a, b, x, y)
		}
	}
	start := time.Now()
	index([]byte(strings.Repeat("a", 1<<20)), []byte(strings.Repeat("a", 1<<19)+"b"), ci)
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("a long search took %v", d)
	}
}

// A pattern of many % does not make LIKE try every way to spread them.
func TestLikeWorkIsBounded(t *testing.T) {
	t.Parallel()
	p := compileLike(strings.Repeat("a%", 500)+"b", -1, sqltype.Type{Kind: sqltype.NVarChar})
	start := time.Now()
	if p.match([]byte(strings.Repeat("a", 8000))) {
		t.Error("matched")
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}
