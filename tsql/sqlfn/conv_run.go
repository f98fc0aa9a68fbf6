package sqlfn

import (
	"strings"

	"github.com/ncruces/go-sqlite3"

	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// typeArg reads a type that code packed.
func typeArg(v sqlite3.Value) sqltype.Type { return sqltype.Unpack(v.Int64()) }

// convertValue is ls_conv(x, from, to, style).
func convertValue(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	from, to := typeArg(arg[1]), typeArg(arg[2])
	v, err := sqltype.Convert(argument(arg[0], from), from, to, int(arg[3].Int64()))
	if err != nil {
		e.fail(ctx, err)
		return
	}
	result(ctx, v, to)
}

// tryValue is ls_try(x, from, to, style): NULL instead of an error.
func tryValue(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	from, to := typeArg(arg[1]), typeArg(arg[2])
	if v, err := sqltype.Convert(argument(arg[0], from), from, to, int(arg[3].Int64())); err == nil {
		result(ctx, v, to)
	}
}

// assignValue is ls_assign(x, from, to, site).
func assignValue(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	from, to := typeArg(arg[1]), typeArg(arg[2])
	wide := to
	wide.Len = sqltype.MaxLen
	switch to.Kind {
	case sqltype.Char, sqltype.Binary, sqltype.NChar:
		wide.Kind += 1 // the varying kind stands after the fixed one
	}
	v, err := sqltype.Convert(argument(arg[0], from), from, wide, 0)
	if err != nil {
		e.fail(ctx, err)
		return
	}
	blank := " "
	if to.Kind.IsBinary() {
		blank = "\x00"
	}
	if head, whole := sqltype.Cut(v.S, to.Len, to); !whole && strings.Trim(v.S[len(head):], blank) != "" {
		e.fail(ctx, e.truncated(head, int(arg[3].Int64()), to))
		return
	}
	v, err = sqltype.Convert(v, wide, to, 0)
	if err != nil {
		e.fail(ctx, err)
		return
	}
	result(ctx, v, to)
}

// truncated is error 2628, or 8152 where the column's name is not known.
func (e *Env) truncated(head string, site int, to sqltype.Type) *sqlerr.Error {
	if site < 0 || site >= len(e.st.Sites) {
		return sqlerr.New(8152)
	}
	s := e.st.Sites[site]
	if to.Kind.IsBinary() {
		head = ""
	}
	head, _ = sqltype.Cut(head, 100, sqltype.Type{Kind: sqltype.NVarChar})
	return sqlerr.New(2628, s.Table, s.Column, head)
}
