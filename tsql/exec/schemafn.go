package exec

import (
	"strings"

	"linkspan/catalog"
	"linkspan/rel"
	"linkspan/sqltype"
	"linkspan/tsql/parse"
)

// schemaFunction gives the functions about the schema of the current database; ok is false for others, and for those
// about another database.
func (f *frame) schemaFunction(name string, args []sqltype.Value) (v sqltype.Value, ok bool, err error) {
	s := f.snap
	if s == nil {
		return v, false, nil
	}
	text := func(s string, found bool) (sqltype.Value, bool, error) {
		if !found {
			return sqltype.NullOf(sqltype.NVarChar), true, nil
		}
		return sqltype.NVarCharOf(s), true, nil
	}
	switch name {
	case "OBJECT_ID":
		return f.objectID(s, args)
	case "OBJECT_NAME", "OBJECT_SCHEMA_NAME", "OBJECT_DEFINITION":
		if len(args) > 1 && args[1].Valid && args[1].N != int64(f.s.db.ID()) {
			return v, false, nil
		}
		o := s.ObjectByID(int32(args[0].N))
		switch {
		case o == nil || !args[0].Valid:
			return text("", false)
		case name == "OBJECT_NAME":
			return text(o.Name, true)
		case name == "OBJECT_SCHEMA_NAME":
			return text(o.Schema, true)
		}
		return text(o.Text, o.Text != "")
	case "SCHEMA_ID":
		want := "dbo"
		if len(args) > 0 {
			want = args[0].S
		}
		if sch := s.Schema(want); sch != nil {
			return sqltype.IntOf(sqltype.Int, int64(sch.ID)), true, nil
		}
		return sqltype.NullOf(sqltype.Int), true, nil
	case "SCHEMA_NAME":
		if len(args) == 0 {
			return text("dbo", true)
		}
		for _, sch := range s.Schemas() {
			if int64(sch.ID) == args[0].N && args[0].Valid {
				return text(sch.Name, true)
			}
		}
		return text("", false)
	}
	return f.tableFunction(s, name, args)
}

// objectID is OBJECT_ID('[db.]schema.name' [, 'type']).
func (f *frame) objectID(s *catalog.Snapshot, args []sqltype.Value) (sqltype.Value, bool, error) {
	null := sqltype.NullOf(sqltype.Int)
	n, err := parse.Name(args[0].S)
	if err != nil || !args[0].Valid {
		return null, true, nil //nolint:nilerr // what is no name is the name of nothing
	}
	if n.Database != "" && !strings.EqualFold(n.Database, f.s.db.Name()) {
		return null, false, nil
	}
	o := f.object(s, n.Schema, n.Name)
	if o == nil {
		return null, false, nil // a view of the instance perhaps
	}
	if len(args) > 1 && !strings.EqualFold(strings.TrimSpace(args[1].S), string(o.Kind)) {
		return null, true, nil
	}
	return sqltype.IntOf(sqltype.Int, int64(o.ID)), true, nil
}

func (f *frame) object(s *catalog.Snapshot, schema, name string) *catalog.Object {
	if schema == "" {
		schema = "dbo"
	}
	return s.Object(schema, name)
}

// tableFunction gives the functions about columns and identities of tables.
func (f *frame) tableFunction(s *catalog.Snapshot, name string, args []sqltype.Value) (v sqltype.Value, ok bool, err error) {
	switch name {
	case "COL_LENGTH":
		if c := f.column(f.tableNamed(s, args[0].S), args[1].S); c != nil {
			return sqltype.IntOf(sqltype.SmallInt, int64(storedLength(c.Type))), true, nil
		}
		return sqltype.NullOf(sqltype.SmallInt), true, nil
	case "COL_NAME":
		if o := s.ObjectByID(int32(args[0].N)); o != nil && o.Table != nil {
			if c := o.Table.Column(int32(args[1].N)); c != nil {
				return sqltype.NVarCharOf(c.Name), true, nil
			}
		}
		return sqltype.NullOf(sqltype.NVarChar), true, nil
	case "IDENT_SEED", "IDENT_INCR":
		t := f.tableNamed(s, args[0].S)
		if t == nil || t.Identity < 0 {
			return sqltype.NullOf(sqltype.Decimal), true, nil
		}
		c := t.Columns[t.Identity]
		if name == "IDENT_INCR" {
			return sqltype.DecimalOf(c.Increment, 0), true, nil
		}
		return sqltype.DecimalOf(c.Seed, 0), true, nil
	case "IDENT_CURRENT":
		t := f.tableNamed(s, args[0].S)
		if t == nil || t.Identity < 0 {
			return sqltype.NullOf(sqltype.Decimal), true, nil
		}
		last, _, err := f.conn.db.Identities().Current(f.conn, "", t)
		return sqltype.DecimalOf(last, 0), true, err
	case "COLUMNPROPERTY":
		return f.columnProperty(s, args), true, nil
	case "OBJECTPROPERTY":
		return objectProperty(s, args), true, nil
	}
	return v, false, nil
}

func (f *frame) tableNamed(s *catalog.Snapshot, name string) *rel.Table {
	n, err := parse.Name(name)
	if err != nil {
		return nil
	}
	if o := f.object(s, n.Schema, n.Name); o != nil {
		return o.Table
	}
	return nil
}

func (f *frame) column(t *rel.Table, name string) *rel.Column {
	if t == nil {
		return nil
	}
	for _, c := range t.Columns {
		if strings.EqualFold(c.Name, name) {
			return c
		}
	}
	return nil
}

// storedLength is a type's max_length: bytes, -1 for max types.
func storedLength(t sqltype.Type) int {
	switch t.Kind {
	case sqltype.NChar, sqltype.NVarChar:
		if t.Len == sqltype.MaxLen {
			return -1
		}
		return 2 * t.Len
	case sqltype.Char, sqltype.VarChar, sqltype.Binary, sqltype.VarBinary:
		return t.Len
	case sqltype.Bit, sqltype.TinyInt:
		return 1
	case sqltype.SmallInt:
		return 2
	case sqltype.Int, sqltype.Real, sqltype.SmallMoney, sqltype.SmallDateTime:
		return 4
	case sqltype.Date:
		return 3
	case sqltype.Decimal:
		return decimalLength(t.Prec)
	case sqltype.UniqueIdentifier, sqltype.Text, sqltype.NText, sqltype.Image:
		return 16
	case sqltype.Time:
		return 3 + (int(t.Scale)+1)/3
	case sqltype.DateTime2:
		return 6 + (int(t.Scale)+1)/3
	case sqltype.DateTimeOffset:
		return 8 + (int(t.Scale)+1)/3
	}
	return 8
}

// decimalLength is the bytes a decimal takes in SQL Server's rows.
func decimalLength(prec uint8) int {
	switch {
	case prec <= 9:
		return 5
	case prec <= 19:
		return 9
	case prec <= 28:
		return 13
	}
	return 17
}

func (f *frame) columnProperty(s *catalog.Snapshot, args []sqltype.Value) sqltype.Value {
	o := s.ObjectByID(int32(args[0].N))
	if o == nil || o.Table == nil {
		return sqltype.NullOf(sqltype.Int)
	}
	c := f.column(o.Table, args[1].S)
	if c == nil {
		return sqltype.NullOf(sqltype.Int)
	}
	switch strings.ToUpper(args[2].S) {
	case "ISIDENTITY":
		return yesNo(c.Identity)
	case "ALLOWSNULL":
		return yesNo(c.Nullable)
	case "ISCOMPUTED":
		return yesNo(c.Computed != "")
	case "ISROWGUIDCOL":
		return yesNo(c.RowGUID)
	case "COLUMNID", "ORDINAL":
		return sqltype.IntOf(sqltype.Int, int64(c.ID))
	}
	return sqltype.NullOf(sqltype.Int)
}

func yesNo(b bool) sqltype.Value {
	if b {
		return sqltype.IntOf(sqltype.Int, 1)
	}
	return sqltype.IntOf(sqltype.Int, 0)
}

// objectProperties are the properties that tell an object's kind.
var objectProperties = map[string][]catalog.Kind{
	"ISTABLE": {catalog.Table}, "ISUSERTABLE": {catalog.Table}, "ISVIEW": {catalog.View}, "ISPROCEDURE": {catalog.Procedure},
	"ISSCALARFUNCTION": {catalog.Scalar}, "ISINLINEFUNCTION": {catalog.InlineTable}, "ISTRIGGER": {catalog.Trigger},
	"ISPRIMARYKEY": {catalog.PrimaryKey}, "ISUNIQUECNST": {catalog.UniqueKey}, "ISCHECKCNST": {catalog.CheckKind},
	"ISDEFAULTCNST": {catalog.DefaultKind}, "ISFOREIGNKEY": {catalog.ForeignKind},
}

func objectProperty(s *catalog.Snapshot, args []sqltype.Value) sqltype.Value {
	o := s.ObjectByID(int32(args[0].N))
	if o == nil {
		return sqltype.NullOf(sqltype.Int)
	}
	p := strings.ToUpper(args[1].S)
	if kinds, ok := objectProperties[p]; ok {
		return yesNo(kinds[0] == o.Kind)
	}
	switch p {
	case "TABLEHASIDENTITY":
		return yesNo(o.Table != nil && o.Table.Identity >= 0)
	case "TABLEHASPRIMARYKEY":
		return yesNo(o.Table != nil && len(o.Table.Indexes) > 0 && o.Table.Indexes[0].Primary)
	case "ISMSSHIPPED":
		return yesNo(false)
	case "EXECISQUOTEDIDENTON":
		return yesNo(o.QuotedIdentifier)
	case "EXECISANSINULLSON":
		return yesNo(o.AnsiNulls)
	}
	return sqltype.NullOf(sqltype.Int)
}
