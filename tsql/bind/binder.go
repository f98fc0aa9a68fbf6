package bind

import (
	"errors"
	"strconv"
	"strings"

	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/sqlfn"
)

// maxDepth bounds views within views and queries within queries.
const maxDepth = 32

// binder holds what one statement's binding gathers. Forks share everything but the parameters.
type binder struct {
	env   *Env
	param *params
	// shared is common to the forks.
	shared *shared
	depth  int
	// ctes are the common table expressions in sight, innermost last.
	ctes []*cte
	// locals are the parameters of a function whose body is bound in the place of its call, by folded name.
	locals map[string]sqlfn.Expr
	// rowsOf is the folded name of the CTE that a statement changes; it passes on its table's rows.
	rowsOf string
	// inView is set while the text of a view, default or check is bound; its positions mean nothing to the client.
	inView bool
	// within is the owner of the view or function whose text is bound, 0 outside; see nobody.
	within int32
}

type shared struct {
	aliases int
	// outerAggregates counts aggregates that belong to a query around the one they stand in.
	outerAggregates int
	sites           []sqlfn.Site
	siteOf          map[sqlfn.Site]int
	checks          []*violation
	needs           []*need
}

// params are the parameters of one SQLite statement.
type params struct {
	args  []Arg
	index map[argKey]int
}

type argKey struct {
	kind  ArgKind
	name  string
	value sqltype.Value
	typ   sqltype.Type
}

func newBinder(env *Env) *binder {
	return &binder{env: env, param: newParams(), shared: &shared{siteOf: map[sqlfn.Site]int{}}}
}

func newParams() *params { return &params{index: map[argKey]int{}} }

// fork binds another SQLite statement of the same T-SQL statement.
func (b *binder) fork() *binder {
	c := *b
	c.param = newParams()
	return &c
}

// arg gives the text of the parameter for a, using one that stands for the same value.
func (b *binder) arg(a Arg) string {
	key := argKey{a.Kind, a.Name, a.Value, a.Type}
	if a.Kind != InputArg {
		if i, ok := b.param.index[key]; ok {
			return "?" + strconv.Itoa(i)
		}
	}
	b.param.args = append(b.param.args, a)
	b.param.index[key] = len(b.param.args)
	return "?" + strconv.Itoa(len(b.param.args))
}

// input gives the parameter for the n-th value (from 0) that the running plan supplies.
func (b *binder) input(n int, t sqltype.Type) sqlfn.Expr {
	return sqlfn.Expr{SQL: b.arg(Arg{Kind: InputArg, n: n, Type: t}), Type: t, Nullable: true}
}

func (b *binder) alias() string {
	b.shared.aliases++
	return "q" + strconv.Itoa(b.shared.aliases)
}

// site numbers a column as the target of an assignment.
func (b *binder) site(table, column string) int {
	s := sqlfn.Site{Table: table, Column: column}
	i, ok := b.shared.siteOf[s]
	if !ok {
		i = len(b.shared.sites)
		b.shared.sites = append(b.shared.sites, s)
		b.shared.siteOf[s] = i
	}
	return i
}

// fail makes an error at a place of the statement.
func (b *binder) fail(at ast.Node, number int32, args ...any) error {
	return b.place(at, sqlerr.New(number, args...))
}

// place puts the line of a node on an error that has none.
func (b *binder) place(at ast.Node, err error) error {
	var e *sqlerr.Error
	if err == nil || !errors.As(err, &e) || b.inView {
		return err
	}
	return e.WithLine(at.Position().Line)
}

// refuse names something that the product knows and does not do.
func (b *binder) refuse(at ast.Node, what string) error {
	return b.fail(at, 40514, what)
}

func (b *binder) constant(v sqltype.Value, t sqltype.Type) sqlfn.Expr {
	return sqlfn.Expr{SQL: b.arg(Arg{Kind: ConstArg, Value: v, Type: t}), Type: t, Nullable: !v.Valid, Const: &v}
}

// intConstant is the value n as an int.
func (b *binder) intConstant(n int64) sqlfn.Expr {
	return b.constant(sqltype.IntOf(sqltype.Int, n), sqltype.Type{Kind: sqltype.Int})
}

// collation is what literals and variables of text get.
func (b *binder) collation() string {
	if b.env.Snapshot != nil {
		return b.env.Snapshot.Collation
	}
	return ""
}

// fold gives the form under which names of columns and aliases compare.
func (b *binder) fold(name string) string {
	if b.env.Snapshot != nil {
		return b.env.Snapshot.Fold(name)
	}
	return strings.ToUpper(name)
}
