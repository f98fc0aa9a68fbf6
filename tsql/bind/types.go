package bind

import (
	"strings"

	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
)

// typeNames are the names of types, synonyms included.
func typeNames() map[string]sqltype.Kind {
	return map[string]sqltype.Kind{
		"bit": sqltype.Bit, "tinyint": sqltype.TinyInt, "smallint": sqltype.SmallInt, "int": sqltype.Int, "integer": sqltype.Int,
		"bigint": sqltype.BigInt, "decimal": sqltype.Decimal, "numeric": sqltype.Decimal, "dec": sqltype.Decimal,
		"money": sqltype.Money, "smallmoney": sqltype.SmallMoney, "real": sqltype.Real, "float": sqltype.Float,
		"double precision": sqltype.Float, "date": sqltype.Date, "time": sqltype.Time, "smalldatetime": sqltype.SmallDateTime,
		"datetime": sqltype.DateTime, "datetime2": sqltype.DateTime2, "datetimeoffset": sqltype.DateTimeOffset,
		"char": sqltype.Char, "character": sqltype.Char, "varchar": sqltype.VarChar, "char varying": sqltype.VarChar,
		"character varying": sqltype.VarChar, "nchar": sqltype.NChar, "national char": sqltype.NChar,
		"national character": sqltype.NChar, "nvarchar": sqltype.NVarChar, "national char varying": sqltype.NVarChar,
		"national character varying": sqltype.NVarChar, "text": sqltype.Text, "ntext": sqltype.NText, "national text": sqltype.NText,
		"binary": sqltype.Binary, "varbinary": sqltype.VarBinary, "binary varying": sqltype.VarBinary, "image": sqltype.Image,
		"uniqueidentifier": sqltype.UniqueIdentifier, "timestamp": sqltype.RowVersion, "rowversion": sqltype.RowVersion,
		"xml": sqltype.XML, "sql_variant": sqltype.Variant, "sysname": sqltype.NVarChar,
	}
}

// TypeOf gives the type that a type's name denotes in a declaration (243 when there is none). Character types get the
// database's collation.
func TypeOf(env *Env, t ast.TypeName) (sqltype.Type, error) {
	b := newBinder(env)
	return b.typeOf(t, 1)
}

// castType is typeOf for CAST and CONVERT, where a missing length means 30.
func (b *binder) castType(t ast.TypeName) (sqltype.Type, error) { return b.typeOf(t, 30) }

// typeOf resolves a type's name; length is what a missing length means.
func (b *binder) typeOf(n ast.TypeName, length int) (sqltype.Type, error) {
	k, ok := typeNames()[strings.ToLower(n.Name)]
	if !ok {
		return sqltype.Type{}, b.fail(n, 243, n.Name)
	}
	t := sqltype.Of(k)
	switch k {
	case sqltype.Char, sqltype.VarChar, sqltype.NChar, sqltype.NVarChar, sqltype.Binary, sqltype.VarBinary:
		if err := b.setLength(&t, n, length); err != nil {
			return t, err
		}
	case sqltype.Decimal:
		if err := b.setPrecision(&t, n); err != nil {
			return t, err
		}
	case sqltype.Float:
		if err := b.setFloat(&t, n); err != nil {
			return t, err
		}
	case sqltype.Time, sqltype.DateTime2, sqltype.DateTimeOffset:
		if len(n.Args) > 0 {
			if n.Args[0] < 0 || n.Args[0] > 7 {
				return t, b.fail(n, 1002, n.Args[0])
			}
			t.Scale = uint8(n.Args[0])
		}
	default:
		if len(n.Args) > 0 || n.Max {
			return t, b.fail(n, 2716, 1, n.Name)
		}
	}
	if n.Collation != "" {
		c, ok := sqltype.LookupCollation(n.Collation)
		if !ok {
			return t, b.fail(n, 448, n.Collation)
		}
		t.Collation = c.Name
	}
	return b.collated(t), nil
}

func (b *binder) setLength(t *sqltype.Type, n ast.TypeName, length int) error {
	limit := 8000
	if t.Kind.IsUnicode() {
		limit = 4000
	}
	fixed := t.Kind == sqltype.Char || t.Kind == sqltype.NChar || t.Kind == sqltype.Binary
	switch {
	case strings.EqualFold(n.Name, "sysname"):
		t.Len = 128
	case n.Max && fixed:
		return b.fail(n, 102, "max")
	case n.Max:
		t.Len = sqltype.MaxLen
	case len(n.Args) == 0:
		t.Len = length
	case n.Args[0] < 1:
		return b.fail(n, 1001, n.Args[0])
	case n.Args[0] > limit:
		return b.fail(n, 131, n.Args[0], n.Name, limit)
	default:
		t.Len = n.Args[0]
	}
	return nil
}

func (b *binder) setPrecision(t *sqltype.Type, n ast.TypeName) error {
	if len(n.Args) > 0 {
		if n.Args[0] < 1 || n.Args[0] > 38 {
			return b.place(n, sqlerr.New(2750, 1, n.Args[0]))
		}
		t.Prec = uint8(n.Args[0])
	}
	if len(n.Args) > 1 {
		if n.Args[1] < 0 || n.Args[1] > int(t.Prec) {
			return b.place(n, sqlerr.New(183, n.Args[1], 1, t.Prec))
		}
		t.Scale = uint8(n.Args[1])
	}
	return nil
}

// setFloat picks real for float(1) to float(24).
func (b *binder) setFloat(t *sqltype.Type, n ast.TypeName) error {
	if len(n.Args) == 0 {
		return nil
	}
	if n.Args[0] < 1 || n.Args[0] > 53 {
		return b.place(n, sqlerr.New(2750, 1, n.Args[0]))
	}
	if n.Args[0] <= 24 {
		*t = sqltype.Type{Kind: sqltype.Real}
	}
	return nil
}

// globals are the @@ variables with their types.
func globals() map[string]sqltype.Type {
	text := func(n int) sqltype.Type { return sqltype.Type{Kind: sqltype.NVarChar, Len: n} }
	i := sqltype.Type{Kind: sqltype.Int}
	return map[string]sqltype.Type{
		"@@SERVERNAME": text(128), "@@SERVICENAME": text(128), "@@VERSION": text(300), "@@LANGUAGE": text(128),
		"@@SPID": {Kind: sqltype.SmallInt}, "@@ROWCOUNT": i, "@@ERROR": i, "@@TRANCOUNT": i, "@@FETCH_STATUS": i,
		"@@CURSOR_ROWS": i, "@@NESTLEVEL": i, "@@OPTIONS": i, "@@PROCID": i, "@@TEXTSIZE": i, "@@LOCK_TIMEOUT": i,
		"@@MAX_CONNECTIONS": i, "@@MICROSOFTVERSION": i, "@@CONNECTIONS": i, "@@CPU_BUSY": i, "@@IDLE": i, "@@IO_BUSY": i,
		"@@PACK_RECEIVED": i, "@@PACK_SENT": i, "@@PACKET_ERRORS": i, "@@TIMETICKS": i, "@@TOTAL_ERRORS": i, "@@TOTAL_READ": i,
		"@@TOTAL_WRITE": i, "@@DEF_SORTORDER_ID": {Kind: sqltype.TinyInt}, "@@DATEFIRST": {Kind: sqltype.TinyInt},
		"@@MAX_PRECISION": {Kind: sqltype.TinyInt}, "@@LANGID": {Kind: sqltype.SmallInt},
		"@@IDENTITY": {Kind: sqltype.Decimal, Prec: 38}, "@@DBTS": {Kind: sqltype.VarBinary, Len: 8}, "@@REMSERVER": text(128),
	}
}
