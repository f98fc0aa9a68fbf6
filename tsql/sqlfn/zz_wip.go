package sqlfn

import (
	"errors"

	"github.com/ncruces/go-sqlite3"

	"linkspan/sqltype"
)

var errWIP = errors.New("not yet bound")

type viewKey struct{ view, db string }
type viewRows struct{}

func Register(conn *sqlite3.Conn, env *Env) error                     { return nil }
func EnvOf(conn *sqlite3.Conn) (*Env, error)                          { return nil, errWIP }
func unary(op string, x Expr) (Expr, error)                           { return x, errWIP }
func binary(op string, a, b Expr) (Expr, error)                       { return a, errWIP }
func compare(op string, a, b Expr) (Expr, error)                      { return a, errWIP }
func comparable2(a, b Expr) (Expr, Expr, error)                       { return a, b, errWIP }
func in(x Expr, list []Expr, not bool) (Expr, error)                  { return x, errWIP }
func between(x, lo, hi Expr, not bool) (Expr, error)                  { return x, errWIP }
func convert(x Expr, to sqltype.Type, o Options) (Expr, error)        { return x, errWIP }
func assign(x Expr, to sqltype.Type, site int) (Expr, error)          { return x, errWIP }
func unify(list []Expr) ([]Expr, sqltype.Type, error)                 { return list, sqltype.Type{}, errWIP }
func collate(x Expr, collation string) (Expr, error)                  { return x, errWIP }
func callFunction(name string, args []Expr) (Expr, error)             { return Expr{}, errWIP }
func isFunction(name string) bool                                     { return false }
func isAggregate(name string) bool                                    { return false }
func aggregate(name string, distinct bool, args []Expr) (Expr, error) { return Expr{}, errWIP }
func like(x, pattern Expr, escape *Expr, not bool) (Expr, error)      { return x, errWIP }
func inQuery(x, element Expr, query string, not bool) (Expr, error)   { return x, errWIP }
