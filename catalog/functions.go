package catalog

import (
	"strings"

	"linkspan/rel"
	"linkspan/sqltype"
	"linkspan/tsql/parse"
)

// Functions answers the functions about the objects of one database: OBJECT_ID, COL_LENGTH and the like. Whoever serves
// functions to statements (sqlfn.Host) asks it first.
type Functions struct {
	Snapshot *Snapshot
	// Temp holds the session's temporary tables; may be nil.
	Temp       *Snapshot
	Conn       Conn
	Identities *Identities
	Database   string
	// DefaultSchema resolves one-part names.
	DefaultSchema string
}

// Call runs the function of that upper-case name; ok is false when it is not one of these.
func (f *Functions) Call(name string, args []sqltype.Value) (v sqltype.Value, ok bool, err error) {
	text := func(i int) string {
		if i < len(args) {
			return args[i].S
		}
		return ""
	}
	for i, a := range args {
		if a.IsNull() && !(i == len(args)-1 && name == "OBJECT_ID") {
			v, ok = f.null(name)
			return v, ok, nil
		}
	}
	id := func(i int) int32 {
		if i < len(args) {
			return int32(args[i].N)
		}
		return 0
	}
	switch name {
	case "OBJECT_ID":
		return f.objectID(text(0), strings.TrimSpace(text(1))), true, nil
	case "OBJECT_NAME":
		return f.nameOf(id(0), func(o *Object) string { return o.Name }), true, nil
	case "OBJECT_SCHEMA_NAME":
		return f.nameOf(id(0), func(o *Object) string { return o.Schema }), true, nil
	case "OBJECT_DEFINITION":
		o := f.Snapshot.ObjectByID(id(0))
		if o == nil {
			return sqltype.NullOf(sqltype.NVarChar), true, nil
		}
		return f.definition(o), true, nil
	case "SCHEMA_ID", "SCHEMA_NAME", "TYPE_ID", "TYPE_NAME":
		return f.plain(name, text(0), id(0), len(args)), true, nil
	case "COL_NAME", "COL_LENGTH", "COLUMNPROPERTY", "INDEXPROPERTY", "OBJECTPROPERTY", "OBJECTPROPERTYEX", "INDEX_COL":
		return f.property(name, args), true, nil
	case "IDENT_CURRENT", "IDENT_SEED", "IDENT_INCR":
		v, err := f.identity(name, text(0))
		return v, true, err
	case "DATABASE_PRINCIPAL_ID":
		if p := f.Snapshot.Principal(text(0)); p != nil {
			return intValue(int64(p.ID)), true, nil
		}
		return sqltype.NullOf(sqltype.Int), len(args) > 0, nil
	}
	return v, false, nil
}

// null is what a function gives for a NULL argument.
func (f *Functions) null(name string) (sqltype.Value, bool) {
	switch name {
	case "OBJECT_NAME", "OBJECT_SCHEMA_NAME", "SCHEMA_NAME", "TYPE_NAME", "COL_NAME", "OBJECT_DEFINITION", "INDEX_COL":
		return sqltype.NullOf(sqltype.NVarChar), true
	case "OBJECT_ID", "SCHEMA_ID", "TYPE_ID", "COLUMNPROPERTY", "INDEXPROPERTY", "OBJECTPROPERTY", "OBJECTPROPERTYEX", "DATABASE_PRINCIPAL_ID":
		return sqltype.NullOf(sqltype.Int), true
	case "COL_LENGTH":
		return sqltype.NullOf(sqltype.SmallInt), true
	case "IDENT_CURRENT", "IDENT_SEED", "IDENT_INCR":
		return sqltype.NullOf(sqltype.Decimal), true
	}
	return sqltype.Value{}, false
}

func intValue(n int64) sqltype.Value { return sqltype.IntOf(sqltype.Int, n) }

// object finds an object by a name of up to three parts, possibly quoted.
func (f *Functions) object(name string) *Object {
	n, err := parse.Name(name)
	if err != nil {
		return nil
	}
	snap := f.Snapshot
	if strings.HasPrefix(n.Name, "#") {
		if f.Temp == nil {
			return nil
		}
		return f.Temp.Object("dbo", n.Name)
	}
	if n.Database != "" && !strings.EqualFold(n.Database, f.Database) {
		return nil
	}
	if n.Schema != "" {
		return snap.Object(n.Schema, n.Name)
	}
	if o := snap.Object(f.DefaultSchema, n.Name); o != nil {
		return o
	}
	return snap.Object("dbo", n.Name)
}

func (f *Functions) objectID(name, kind string) sqltype.Value {
	o := f.object(name)
	if o == nil || kind != "" && !strings.EqualFold(string(o.Kind), kind) {
		return sqltype.NullOf(sqltype.Int)
	}
	return intValue(int64(o.ID))
}

func (f *Functions) nameOf(id int32, part func(*Object) string) sqltype.Value {
	if o := f.Snapshot.ObjectByID(id); o != nil {
		return sqltype.NVarCharOf(part(o))
	}
	return sqltype.NullOf(sqltype.NVarChar)
}

// definition is the text of a module, check or default.
func (f *Functions) definition(o *Object) sqltype.Value {
	text := o.Text
	if p := f.Snapshot.ObjectByID(o.Parent); p != nil && p.Table != nil {
		for _, c := range p.Table.Checks {
			if c.ID == o.ID {
				text = c.Expr
			}
		}
		for _, c := range p.Table.Columns {
			if c.DefaultID == o.ID {
				text = c.Default
			}
		}
	}
	if text == "" {
		return sqltype.NullOf(sqltype.NVarChar)
	}
	return sqltype.NVarCharOf(text)
}

func (f *Functions) plain(name, text string, id int32, n int) sqltype.Value {
	switch name {
	case "SCHEMA_ID":
		if n == 0 {
			text = f.DefaultSchema
		}
		if s := f.Snapshot.Schema(text); s != nil {
			return intValue(int64(s.ID))
		}
		return sqltype.NullOf(sqltype.Int)
	case "SCHEMA_NAME":
		if n == 0 {
			return sqltype.NVarCharOf(f.DefaultSchema)
		}
		for _, s := range f.Snapshot.schemas {
			if s.ID == id {
				return sqltype.NVarCharOf(s.Name)
			}
		}
		return sqltype.NullOf(sqltype.NVarChar)
	}
	for k, number := range typeIDs() {
		if name == "TYPE_ID" && strings.EqualFold(k.String(), text) {
			return intValue(int64(number))
		}
		if name == "TYPE_NAME" && number == int(id) {
			return sqltype.NVarCharOf(k.String())
		}
	}
	switch {
	case name == "TYPE_ID" && strings.EqualFold(text, "sysname"):
		return intValue(256)
	case name == "TYPE_NAME" && id == 256:
		return sqltype.NVarCharOf("sysname")
	case name == "TYPE_NAME" && id == 108:
		return sqltype.NVarCharOf("numeric")
	case name == "TYPE_ID":
		return sqltype.NullOf(sqltype.Int)
	}
	return sqltype.NullOf(sqltype.NVarChar)
}

func (f *Functions) identity(name, table string) (sqltype.Value, error) {
	o := f.object(table)
	if o == nil || o.Table == nil || o.Table.Identity < 0 {
		return sqltype.NullOf(sqltype.Decimal), nil
	}
	c := o.Table.Columns[o.Table.Identity]
	switch name {
	case "IDENT_SEED":
		return sqltype.DecimalOf(c.Seed, 0), nil
	case "IDENT_INCR":
		return sqltype.DecimalOf(c.Increment, 0), nil
	}
	n, _, err := f.Identities.Current(f.Conn, f.Snapshot.SQLSchema, o.Table)
	return sqltype.DecimalOf(n, 0), err
}

// property answers the functions about columns, indexes and objects.
func (f *Functions) property(name string, args []sqltype.Value) sqltype.Value {
	switch name {
	case "COL_LENGTH":
		if o := f.object(args[0].S); o != nil && o.Table != nil {
			if c := f.column(o.Table, args[1].S); c != nil {
				return sqltype.IntOf(sqltype.SmallInt, int64(info(c.Type).length))
			}
		}
		return sqltype.NullOf(sqltype.SmallInt)
	case "INDEX_COL":
		if o := f.object(args[0].S); o != nil && o.Table != nil {
			for _, ix := range o.Table.Indexes {
				if n := int(args[2].N); int64(ix.Number) == args[1].N && n >= 1 && n <= len(ix.Columns) {
					return sqltype.NVarCharOf(o.Table.Column(ix.Columns[n-1].ColumnID).Name)
				}
			}
		}
		return sqltype.NullOf(sqltype.NVarChar)
	}
	o := f.Snapshot.ObjectByID(int32(args[0].N))
	if name == "COL_NAME" {
		if o != nil && o.Table != nil {
			if c := o.Table.Column(int32(args[1].N)); c != nil {
				return sqltype.NVarCharOf(c.Name)
			}
		}
		return sqltype.NullOf(sqltype.NVarChar)
	}
	if o == nil {
		return sqltype.NullOf(sqltype.Int)
	}
	var n int64
	var ok bool
	switch {
	case strings.HasPrefix(name, "OBJECTPROPERTY"):
		n, ok = objectProperty(o, strings.ToUpper(args[1].S))
	case o.Table == nil:
	case name == "COLUMNPROPERTY":
		if c := f.column(o.Table, args[1].S); c != nil {
			n, ok = columnProperty(c, strings.ToUpper(args[2].S))
		}
	default:
		for _, ix := range o.Table.Indexes {
			if f.Snapshot.Fold(ix.Name) == f.Snapshot.Fold(args[1].S) {
				n, ok = indexProperty(ix, strings.ToUpper(args[2].S))
			}
		}
	}
	if !ok {
		return sqltype.NullOf(sqltype.Int)
	}
	return intValue(n)
}

func (f *Functions) column(t *rel.Table, name string) *rel.Column {
	for _, c := range t.Columns {
		if f.Snapshot.Fold(c.Name) == f.Snapshot.Fold(name) {
			return c
		}
	}
	return nil
}

func bit(b bool) (int64, bool) {
	if b {
		return 1, true
	}
	return 0, true
}

func objectProperty(o *Object, property string) (int64, bool) {
	kinds := map[string]Kind{"ISTABLE": Table, "ISUSERTABLE": Table, "ISVIEW": View, "ISPROCEDURE": Procedure, "ISPRIMARYKEY": PrimaryKey,
		"ISUNIQUECNST": UniqueKey, "ISCHECKCNST": CheckKind, "ISDEFAULTCNST": DefaultKind, "ISFOREIGNKEY": ForeignKind, "ISSCALARFUNCTION": Scalar,
		"ISINLINEFUNCTION": InlineTable, "ISTRIGGER": Trigger}
	if k, ok := kinds[property]; ok {
		return bit(o.Kind == k)
	}
	switch property {
	case "ISMSSHIPPED", "ISSYSTEMTABLE", "EXECISSTARTUP", "TABLEHASTEXTIMAGE":
		return 0, true
	case "OWNERID", "SCHEMAID":
		return int64(o.SchemaID), true
	case "EXECISANSINULLSON":
		return bit(o.AnsiNulls)
	case "EXECISQUOTEDIDENTON":
		return bit(o.QuotedIdentifier)
	}
	t := o.Table
	if t == nil {
		return 0, false
	}
	switch property {
	case "TABLEHASIDENTITY":
		return bit(t.Identity >= 0)
	case "TABLEHASPRIMARYKEY":
		return bit(len(t.Indexes) > 0 && t.Indexes[0].Primary)
	case "TABLEHASINDEX":
		return bit(len(t.Indexes) > 0)
	case "TABLEHASFOREIGNKEY":
		return bit(len(t.Foreign) > 0)
	case "TABLEHASCHECKCNST":
		return bit(len(t.Checks) > 0)
	case "TABLEHASCLUSTINDEX":
		for _, ix := range t.Indexes {
			if ix.Clustered {
				return 1, true
			}
		}
		return 0, true
	}
	return 0, false
}

func columnProperty(c *rel.Column, property string) (int64, bool) {
	i := info(c.Type)
	switch property {
	case "ALLOWSNULL":
		return bit(c.Nullable)
	case "ISIDENTITY":
		return bit(c.Identity)
	case "ISCOMPUTED":
		return bit(c.Computed != "")
	case "ISROWGUIDCOL":
		return bit(c.RowGUID)
	case "COLUMNID":
		return int64(c.ID), true
	case "PRECISION":
		if c.Type.Kind.IsString() || c.Type.Kind.IsBinary() {
			return int64(c.Type.Len), true
		}
		return int64(i.prec), true
	case "SCALE":
		return int64(i.scale), true
	case "CHARMAXLEN":
		return int64(c.Type.Len), true
	}
	return 0, false
}

func indexProperty(ix *rel.Index, property string) (int64, bool) {
	switch property {
	case "ISUNIQUE":
		return bit(ix.Unique)
	case "ISCLUSTERED":
		return bit(ix.Clustered)
	case "INDEXID":
		return int64(ix.Number), true
	case "ISDISABLED":
		return bit(ix.Disabled)
	case "ISSTATISTICS", "ISHYPOTHETICAL", "ISAUTOSTATISTICS":
		return 0, true
	}
	return 0, false
}
