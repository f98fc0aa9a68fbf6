package catalog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"linkspan/rel"
	"linkspan/sqlapi"
	"linkspan/sqltype"
)

// Views gives the catalog views of the database that s describes. conn, of the same transaction, counts rows for
// sys.partitions and reads identity values; ids may be nil. The result is good for the statement at hand.
func (s *Snapshot) Views(conn Conn, ids *Identities) rel.Views {
	return &views{Snapshot: s, conn: conn, ids: ids}
}

// views implements rel.Views over one snapshot.
type views struct {
	*Snapshot
	conn Conn
	ids  *Identities
	// database is the name that the running statement asked the view in.
	database string
}

// row takes the values of one row: nil, bool, int, int32, int64, uint8, string, []byte, float64 or time.Time.
type row func(values ...any) error

// viewDef is a catalog view: its columns, spelled "name type, …", and what fills it.
type viewDef struct {
	schema, name, columns string
	rows                  func(v *views, add row) error
}

// View finds a view by name, in any case.
func (v *views) View(schema, name string) *rel.View {
	for _, list := range [][]viewDef{sysViews(), schemaViews(), oldViews()} {
		for i := range list {
			if strings.EqualFold(list[i].schema, schema) && strings.EqualFold(list[i].name, name) {
				return v.view(&list[i])
			}
		}
	}
	return nil
}

// errStop ends the filling of a view whose reader has enough.
var errStop = fmt.Errorf("enough rows")

func (v *views) view(def *viewDef) *rel.View {
	cols := parseColumns(def.columns, v.Collation)
	return &rel.View{Schema: def.schema, Name: def.name, Columns: cols,
		Rows: func(_ context.Context, scope rel.Scope) iter.Seq2[[]sqltype.Value, error] {
			v := &views{v.Snapshot, v.conn, v.ids, scope.Database}
			return func(yield func([]sqltype.Value, error) bool) {
				err := def.rows(v, func(values ...any) error {
					if len(values) != len(cols) {
						return fmt.Errorf("%s.%s has %d columns, a row %d values", def.schema, def.name, len(cols), len(values))
					}
					out := make([]sqltype.Value, len(cols))
					for i, x := range values {
						out[i] = toValue(x, cols[i].Type)
					}
					if !yield(out, nil) {
						return errStop
					}
					return nil
				})
				if err != nil && !errors.Is(err, errStop) {
					yield(nil, err)
				}
			}
		}}
}

// parseColumns reads "name type, …"; a type that ends in ! is NOT NULL.
func parseColumns(text, collation string) []sqlapi.Column {
	var cols []sqlapi.Column
	for _, item := range strings.Split(text, ",") {
		name, typ, _ := strings.Cut(strings.TrimSpace(item), " ")
		c := sqlapi.Column{Name: name, Nullable: true}
		if strings.HasSuffix(typ, "!") {
			c.Nullable, typ = false, typ[:len(typ)-1]
		}
		c.Type = parseType(typ)
		if c.Type.Kind.IsString() {
			c.Type.Collation = collation
		}
		cols = append(cols, c)
	}
	return cols
}

// parseType reads sysname, nvarchar(60), nvarchar(max), char(2), numeric(38:0), int and the like.
func parseType(text string) sqltype.Type {
	name, arg, _ := strings.Cut(strings.TrimSuffix(text, ")"), "(")
	switch name {
	case "sysname":
		return sqltype.Type{Kind: sqltype.NVarChar, Len: 128}
	case "numeric":
		p, s, _ := strings.Cut(arg, ":")
		prec, _ := strconv.Atoi(p)
		scale, _ := strconv.Atoi(s)
		return sqltype.DecimalType(prec, scale)
	}
	k, _ := kindOf(name)
	t := sqltype.Of(k)
	if arg == "max" {
		t.Len = sqltype.MaxLen
	} else if n, err := strconv.Atoi(arg); err == nil {
		t.Len = n
	}
	return t
}

// toValue gives a Go value as one of a column's type.
func toValue(x any, t sqltype.Type) sqltype.Value {
	switch x := x.(type) {
	case bool:
		return sqltype.Value{K: t.Kind, Valid: true, N: sqltype.BitOf(x).N}
	case int:
		return number(int64(x), t)
	case int32:
		return number(int64(x), t)
	case int64:
		return number(x, t)
	case uint8:
		return number(int64(x), t)
	case float64:
		return sqltype.FloatOf(t.Kind, x)
	case string:
		if n := t.Len; t.Kind == sqltype.Char && len(x) < n {
			x += strings.Repeat(" ", n-len(x))
		}
		return sqltype.StringOf(t.Kind, x)
	case Kind:
		return toValue(string(x), t)
	case []byte:
		if x == nil {
			return sqltype.NullOf(t.Kind)
		}
		return sqltype.BytesOf(t.Kind, x)
	case time.Time:
		if v, ok := sqltype.FromMoment(sqltype.TicksOf(x), 0, t); ok {
			return v
		}
	}
	return sqltype.NullOf(t.Kind)
}

func number(n int64, t sqltype.Type) sqltype.Value {
	if t.Kind == sqltype.Decimal {
		return sqltype.DecimalOf(n, 0)
	}
	return sqltype.IntOf(t.Kind, n)
}

// typeDesc is sys.objects.type_desc.
func typeDesc(k Kind) string {
	switch k {
	case Table:
		return "USER_TABLE"
	case View:
		return "VIEW"
	case Procedure:
		return "SQL_STORED_PROCEDURE"
	case Scalar:
		return "SQL_SCALAR_FUNCTION"
	case InlineTable:
		return "SQL_INLINE_TABLE_VALUED_FUNCTION"
	case "TF":
		return "SQL_TABLE_VALUED_FUNCTION"
	case PrimaryKey:
		return "PRIMARY_KEY_CONSTRAINT"
	case UniqueKey:
		return "UNIQUE_CONSTRAINT"
	case CheckKind:
		return "CHECK_CONSTRAINT"
	case DefaultKind:
		return "DEFAULT_CONSTRAINT"
	case ForeignKind:
		return "FOREIGN_KEY_CONSTRAINT"
	}
	return "SQL_TRIGGER"
}

// typeInfo is what sys.types and sys.columns say of a type.
type typeInfo struct {
	id, user, length, prec, scale int
}

// typeIDs are the system_type_ids.
func typeIDs() map[sqltype.Kind]int {
	return map[sqltype.Kind]int{
		sqltype.Image: 34, sqltype.Text: 35, sqltype.UniqueIdentifier: 36, sqltype.Date: 40, sqltype.Time: 41, sqltype.DateTime2: 42,
		sqltype.DateTimeOffset: 43, sqltype.TinyInt: 48, sqltype.SmallInt: 52, sqltype.Int: 56, sqltype.SmallDateTime: 58,
		sqltype.Real: 59, sqltype.Money: 60, sqltype.DateTime: 61, sqltype.Float: 62, sqltype.Variant: 98, sqltype.NText: 99,
		sqltype.Bit: 104, sqltype.Decimal: 106, sqltype.SmallMoney: 122, sqltype.BigInt: 127, sqltype.VarBinary: 165,
		sqltype.VarChar: 167, sqltype.Binary: 173, sqltype.Char: 175, sqltype.RowVersion: 189, sqltype.NVarChar: 231,
		sqltype.NChar: 239, sqltype.XML: 241,
	}
}

// info describes a type as sys.columns does: bytes, digits.
func info(t sqltype.Type) typeInfo {
	i := typeInfo{id: typeIDs()[t.Kind]}
	i.user = i.id
	fixed := map[sqltype.Kind][3]int{
		sqltype.Bit: {1, 1, 0}, sqltype.TinyInt: {1, 3, 0}, sqltype.SmallInt: {2, 5, 0}, sqltype.Int: {4, 10, 0}, sqltype.BigInt: {8, 19, 0},
		sqltype.Money: {8, 19, 4}, sqltype.SmallMoney: {4, 10, 4}, sqltype.Real: {4, 24, 0}, sqltype.Float: {8, 53, 0}, sqltype.Date: {3, 10, 0},
		sqltype.SmallDateTime: {4, 16, 0}, sqltype.DateTime: {8, 23, 3}, sqltype.UniqueIdentifier: {16, 0, 0}, sqltype.RowVersion: {8, 0, 0},
		sqltype.Text: {16, 0, 0}, sqltype.NText: {16, 0, 0}, sqltype.Image: {16, 0, 0}, sqltype.XML: {-1, 0, 0}, sqltype.Variant: {8016, 0, 0},
	}
	if f, ok := fixed[t.Kind]; ok {
		i.length, i.prec, i.scale = f[0], f[1], f[2]
		return i
	}
	s := int(t.Scale)
	fraction := func(base, n int) { // the width as text, and the bytes
		i.scale, i.prec = s, base
		if s > 0 {
			i.prec += s + 1
		}
		i.length = n + []int{0, 0, 0, 1, 1, 2, 2, 2}[s]
	}
	switch t.Kind {
	case sqltype.Decimal:
		i.prec, i.scale = int(t.Prec), s
		i.length = map[bool]int{true: 5}[t.Prec <= 9] + map[bool]int{true: 9}[t.Prec > 9 && t.Prec <= 19] +
			map[bool]int{true: 13}[t.Prec > 19 && t.Prec <= 28] + map[bool]int{true: 17}[t.Prec > 28]
	case sqltype.Time:
		fraction(8, 3)
	case sqltype.DateTime2:
		fraction(19, 6)
	case sqltype.DateTimeOffset:
		fraction(26, 8)
	default:
		i.length = t.Len
		if t.Kind.IsUnicode() && t.Len > 0 {
			i.length = 2 * t.Len
		}
	}
	return i
}

// collationOf is a column's collation_name, nil for those that have none.
func collationOf(t sqltype.Type) any {
	if t.Kind.IsString() && t.Kind != sqltype.XML {
		return sqltype.CollationOf(t).Name
	}
	return nil
}

func (v *views) tables(f func(o *Object) error) error {
	for _, o := range v.ordered {
		if o.Table == nil {
			continue
		}
		if err := f(o); err != nil {
			return err
		}
	}
	return nil
}

// rowCount counts the rows of a table.
func (v *views) rowCount(t *rel.Table) (int64, error) {
	if v.conn == nil {
		return 0, nil
	}
	return store{v.conn, v.SQLSchema}.number("SELECT count(*) FROM " + TableName(v.SQLSchema, t.ID))
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}
