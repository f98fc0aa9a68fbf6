package instance

import (
	"context"
	"iter"
	"strings"

	"linkspan/rel"
	"linkspan/sqlapi"
	"linkspan/sqltype"
)

// viewSet finds views by name; it is made at start and not changed after.
type viewSet map[string]*rel.View

// View implements rel.Views.
func (s viewSet) View(schema, name string) *rel.View {
	return s[strings.ToLower(schema)+"."+strings.ToLower(name)]
}

func (s viewSet) add(views ...rel.View) {
	for _, v := range views {
		s[strings.ToLower(v.Schema)+"."+strings.ToLower(v.Name)] = &v
	}
}

// The types that the views' columns have.
var (
	tInt      = sqltype.Type{Kind: sqltype.Int}
	tSmallInt = sqltype.Type{Kind: sqltype.SmallInt}
	tTinyInt  = sqltype.Type{Kind: sqltype.TinyInt}
	tBigInt   = sqltype.Type{Kind: sqltype.BigInt}
	tBit      = sqltype.Type{Kind: sqltype.Bit}
	tDateTime = sqltype.Type{Kind: sqltype.DateTime}
	tGUID     = sqltype.Type{Kind: sqltype.UniqueIdentifier}
	tLSN      = sqltype.Type{Kind: sqltype.Decimal, Prec: 25}
	tSysname  = nvarchar(128)
	tDesc     = nvarchar(60)
)

func nvarchar(n int) sqltype.Type  { return sqltype.Type{Kind: sqltype.NVarChar, Len: n} }
func varbinary(n int) sqltype.Type { return sqltype.Type{Kind: sqltype.VarBinary, Len: n} }

// col describes a column that may be NULL; key one that is not.
func col(name string, t sqltype.Type) sqlapi.Column {
	return sqlapi.Column{Name: name, Type: t, Nullable: true}
}
func key(name string, t sqltype.Type) sqlapi.Column { return sqlapi.Column{Name: name, Type: t} }

// rows adapts a func that gives all rows at once.
func rows(f func(ctx context.Context, s rel.Scope) ([][]sqltype.Value, error)) func(context.Context, rel.Scope) iter.Seq2[[]sqltype.Value, error] {
	return func(ctx context.Context, s rel.Scope) iter.Seq2[[]sqltype.Value, error] {
		return func(yield func([]sqltype.Value, error) bool) {
			all, err := f(ctx, s)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, r := range all {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

func vInt(n int) sqltype.Value           { return sqltype.IntOf(sqltype.Int, int64(n)) }
func vTiny(n uint8) sqltype.Value        { return sqltype.IntOf(sqltype.TinyInt, int64(n)) }
func vBig(n int64) sqltype.Value         { return sqltype.IntOf(sqltype.BigInt, n) }
func vText(s string) sqltype.Value       { return sqltype.NVarCharOf(s) }
func vBit(b bool) sqltype.Value          { return sqltype.BitOf(b) }
func vNull(t sqltype.Type) sqltype.Value { return sqltype.NullOf(t.Kind) }

// vGUID is a uniqueidentifier, NULL for the zero one.
func vGUID(id [16]byte) sqltype.Value {
	if id == [16]byte{} {
		return sqltype.NullOf(sqltype.UniqueIdentifier)
	}
	return sqltype.BytesOf(sqltype.UniqueIdentifier, id[:])
}
