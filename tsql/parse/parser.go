// Package parse owns the reading of T-SQL: text in, syntax tree or one error out.
//
// It is a recursive-descent parser with operator precedence for expressions. Words are keywords only where the grammar
// looks for them, so every word that SQL Server does not reserve is free as a name. Errors are SQL Server's: 102 and 156
// with the token where the text stopped making sense, 105, 113, 319 and so on, severity 15, with the line. A batch is
// parsed as a whole before any of it runs; so are the checks that need no catalog: variables are declared (137, 1087),
// labels exist (133), BREAK stands in a loop (135).
//
// Text comes from strangers: nesting, length of chains and number of tokens are bounded, and nothing panics.
package parse

import (
	"strings"

	"linkspan/sqlerr"
	"linkspan/tsql/ast"
)

// Options change how text is read.
type Options struct {
	// QuotedIdentifierOff reads "text" as a string (SET QUOTED_IDENTIFIER OFF).
	QuotedIdentifierOff bool
	// Variables are declared already: the parameters of sp_executesql or of a procedure, with their @.
	Variables []string
	// TableVariables are declared already.
	TableVariables []string
}

// Batch parses one batch. The error is an *sqlerr.Error with its line.
func Batch(text string) ([]ast.Statement, error) {
	return BatchWith(text, Options{})
}

// BatchWith parses one batch with options.
func BatchWith(text string, o Options) ([]ast.Statement, error) {
	p, err := newParser(text, o)
	if err != nil {
		return nil, err
	}
	list := p.statements(func() bool { return false })
	p.scope.checkLabels(p)
	if err := p.result(); err != nil {
		return nil, err
	}
	return list, nil
}

// Expr parses a scalar expression, such as a stored default. Variables in it are not checked.
func Expr(text string) (ast.Expr, error) {
	return single(text, func(p *parser) ast.Expr { return p.scalar() })
}

// Condition parses a condition, such as a stored check.
func Condition(text string) (ast.Expr, error) {
	return single(text, func(p *parser) ast.Expr { return p.condition() })
}

// Type parses a data type as written in DECLARE: "nvarchar(60)".
func Type(text string) (ast.TypeName, error) {
	p, err := newParser(text, Options{})
	if err != nil {
		return ast.TypeName{}, err
	}
	t := p.typeName()
	p.end()
	if err := p.result(); err != nil {
		return ast.TypeName{}, err
	}
	return t, nil
}

// Params parses the parameter list of sp_executesql: "@a int, @b nvarchar(60) OUTPUT".
func Params(text string) ([]ast.ParamDef, error) {
	p, err := newParser(text, Options{})
	if err != nil {
		return nil, err
	}
	var list []ast.ParamDef
	if !p.atEnd() {
		list = p.paramDefs()
	}
	p.end()
	if err := p.result(); err != nil {
		return nil, err
	}
	return list, nil
}

// Name parses an object name of up to four parts, as a procedure call sends it: "[db].dbo.[sp x]".
func Name(text string) (ast.ObjectName, error) {
	p, err := newParser(text, Options{})
	if err != nil {
		return ast.ObjectName{}, err
	}
	n := p.objectName()
	p.end()
	if err := p.result(); err != nil {
		return ast.ObjectName{}, err
	}
	return n, nil
}

func single(text string, f func(*parser) ast.Expr) (ast.Expr, error) {
	p, err := newParser(text, Options{})
	if err != nil {
		return nil, err
	}
	p.scope = nil
	x := f(p)
	p.end()
	if err := p.result(); err != nil {
		return nil, err
	}
	return x, nil
}

type parser struct {
	src   string
	toks  []token
	i     int
	depth int
	err   *sqlerr.Error // the first syntax error; from then on the parser stands at the end
	// semantic is the first error of the checks that need no catalog. It counts only when the syntax is right.
	semantic *sqlerr.Error
	scope    *scope
	// inCatch counts the CATCH blocks around, for THROW without arguments.
	inCatch int
	loops   int
	// first is true at the first statement of the batch.
	first bool
}

func newParser(text string, o Options) (*parser, error) {
	toks, err := lex(text, o.QuotedIdentifierOff)
	if err != nil {
		return nil, err
	}
	p := &parser{src: text, toks: toks, first: true, scope: newScope()}
	for _, v := range o.Variables {
		p.scope.scalars[strings.ToLower(v)] = true
	}
	for _, v := range o.TableVariables {
		p.scope.tables[strings.ToLower(v)] = true
	}
	return p, nil
}

func (p *parser) result() error {
	if p.err != nil {
		return p.err
	}
	if p.semantic != nil {
		return p.semantic
	}
	return nil
}

// end demands that nothing is left.
func (p *parser) end() {
	if !p.atEnd() {
		p.unexpected()
	}
}

// tok is the current token.
func (p *parser) tok() *token { return &p.toks[p.i] }

// ahead is the token n places on.
func (p *parser) ahead(n int) *token {
	if p.i+n < len(p.toks) {
		return &p.toks[p.i+n]
	}
	return &p.toks[len(p.toks)-1]
}

func (p *parser) atEnd() bool { return p.toks[p.i].kind == tEOF }

func (p *parser) advance() {
	if p.i < len(p.toks)-1 {
		p.i++
	}
}

// here is the place of the current token.
func (p *parser) here() ast.Pos { return pos(p.tok()) }

func pos(t *token) ast.Pos {
	return ast.Pos{Offset: int(t.start), Line: int(t.line), Column: int(t.col)}
}

// raw is the token's text as written.
func (p *parser) raw(t *token) string { return p.src[t.start:t.end] }

// text is the token's meaning: a name or string without its quotes, everything else as written.
func (p *parser) text(t *token) string {
	switch t.kind {
	case tString, tQuoted:
		return unquote(p.src[t.start+1:t.end-1], p.src[t.end-1])
	case tNString:
		return unquote(p.src[t.start+2:t.end-1], '\'')
	}
	return p.raw(t)
}

func unquote(s string, mark byte) string {
	if strings.IndexByte(s, mark) < 0 {
		return s
	}
	m := string(mark)
	return strings.ReplaceAll(s, m+m, m)
}

// tokenIs reports whether t is that keyword or operator.
func (p *parser) tokenIs(t *token, w string) bool {
	if t.word != "" {
		return t.word == w
	}
	return t.kind == tWord && int(t.end-t.start) == len(w) && strings.EqualFold(p.raw(t), w)
}

// is reports whether the current token is that keyword or operator.
func (p *parser) is(w string) bool { return p.tokenIs(p.tok(), w) }

// isAhead looks n places on.
func (p *parser) isAhead(n int, w string) bool { return p.tokenIs(p.ahead(n), w) }

// isSeq reports whether the next tokens are these.
func (p *parser) isSeq(ws ...string) bool {
	for i, w := range ws {
		if !p.isAhead(i, w) {
			return false
		}
	}
	return true
}

// accept passes the token if it is that one.
func (p *parser) accept(w string) bool {
	if p.is(w) {
		p.advance()
		return true
	}
	return false
}

// acceptSeq passes the tokens if they are all there.
func (p *parser) acceptSeq(ws ...string) bool {
	if !p.isSeq(ws...) {
		return false
	}
	for range ws {
		p.advance()
	}
	return true
}

// expect demands these tokens.
func (p *parser) expect(ws ...string) bool {
	for _, w := range ws {
		if !p.accept(w) {
			p.unexpected()
			return false
		}
	}
	return true
}

// oneOf passes and returns the first of the words that stands here; none is an error.
func (p *parser) oneOf(ws ...string) string {
	for _, w := range ws {
		if p.accept(w) {
			return w
		}
	}
	p.unexpected()
	return ""
}

// upper is the token's text in upper case.
func (p *parser) upper(t *token) string {
	if t.word != "" {
		return t.word
	}
	return strings.ToUpper(p.raw(t))
}

// fail records the first error and ends the parsing: the current token is the end from now on.
func (p *parser) fail(e *sqlerr.Error) {
	if p.err == nil {
		p.err = e.WithLine(int(p.tok().line))
	}
	p.i = len(p.toks) - 1
}

// unexpected says that the current token does not fit: 156 for a reserved word, 102 for the rest. At the end of the
// text the last token is named.
func (p *parser) unexpected() { p.unexpectedAt(p.i) }

func (p *parser) unexpectedAt(i int) {
	if p.err != nil {
		p.i = len(p.toks) - 1
		return
	}
	t := &p.toks[i]
	atEnd := t.kind == tEOF
	if atEnd && i > 0 {
		t = &p.toks[i-1]
	}
	near := head(p.text(t))
	if t.reserved && !atEnd {
		p.fail(sqlerr.New(156, near).WithLine(int(t.line)))
		return
	}
	p.fail(sqlerr.New(102, near).WithLine(int(t.line)))
}

// complain records the first error of the checks that need no catalog.
func (p *parser) complain(at ast.Pos, e *sqlerr.Error) {
	if p.semantic == nil {
		p.semantic = e.WithLine(at.Line)
	}
}

// Nesting and chains are bounded, so that neither this parser nor what walks its trees runs out of stack.
const (
	maxDepth = 200
	maxChain = 900
)

// enter goes one level deeper; it fails with 191 when that is too deep. Each true answer is undone by leave.
func (p *parser) enter() bool {
	if p.depth >= maxDepth {
		p.fail(sqlerr.New(191))
		return false
	}
	p.depth++
	return true
}

func (p *parser) leave() { p.depth-- }

// slice is the text from a token on up to the current one, without the space between.
func (p *parser) slice(from int) string {
	if p.i <= from || p.err != nil {
		return ""
	}
	return p.src[p.toks[from].start:p.toks[p.i-1].end]
}
