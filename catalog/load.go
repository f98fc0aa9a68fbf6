package catalog

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ncruces/go-sqlite3"

	"linkspan/rel"
	"linkspan/sqltype"
)

// Flags of sys_object, sys_index, sys_index_column, sys_check and sys_foreign rows.
const (
	flagQuotedIdentifier = 1 << iota
	flagAnsiNulls
	flagGenerated
	flagUnique
	flagPrimary
	flagConstraint
	flagClustered
	flagDisabled
	flagNotTrusted
	flagIgnoreDup
	flagDesc
	flagIncluded
)

// Load reads the schema that the transaction of conn sees. sqlSchema is the SQLite schema, "" for main.
func Load(conn Conn, sqlSchema string) (*Snapshot, error) {
	if sqlSchema == "" {
		sqlSchema = "main"
	}
	l := loader{store: store{conn, sqlSchema}, Snapshot: &Snapshot{
		SQLSchema: sqlSchema, objects: map[int32]*Object{}, byName: map[nameKey]*Object{},
	}}
	for _, step := range []func() error{l.meta, l.loadSchemas, l.loadObjects, l.loadColumns, l.loadIndexes, l.loadIndexColumns,
		l.loadChecks, l.loadForeign, l.loadForeignColumns, l.loadProperties, l.loadPrincipals, l.loadPermissions} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("load schema: %w", err)
		}
	}
	return l.Snapshot, nil
}

// Version reads the version of the schema that the transaction of conn sees.
func Version(conn Conn, sqlSchema string) (string, error) {
	if sqlSchema == "" {
		sqlSchema = "main"
	}
	var v string
	err := store{conn, sqlSchema}.query(func(st *sqlite3.Stmt) error { v = st.ColumnText(0); return nil },
		"SELECT value FROM @sys_meta WHERE key = 'version'")
	return v, err
}

// Cache keeps the last snapshots of one database by their version. Safe for concurrent use.
type Cache struct {
	mu   sync.Mutex
	kept []*Snapshot // newest first
}

// keep is how many versions are worth keeping: readers on an older snapshot and the writer's uncommitted one.
const keep = 4

// Get gives the snapshot for the transaction of conn, from the cache when the version read there is known.
func (c *Cache) Get(conn Conn) (*Snapshot, error) {
	v, err := Version(conn, "")
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	for _, s := range c.kept {
		if s.Version == v {
			c.mu.Unlock()
			return s, nil
		}
	}
	c.mu.Unlock()
	s, err := Load(conn, "")
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = append([]*Snapshot{s}, c.kept...)
	if len(c.kept) > keep {
		c.kept = c.kept[:keep]
	}
	return s, nil
}

type loader struct {
	store
	*Snapshot
	indexes map[int32]*rel.Index
	foreign map[int32]*rel.Foreign
}

func (l *loader) meta() error {
	var format int
	err := l.query(func(st *sqlite3.Stmt) error {
		switch st.ColumnText(0) {
		case "format":
			format = st.ColumnInt(1)
		case "version":
			l.Version = st.ColumnText(1)
		case "collation":
			l.Collation = st.ColumnText(1)
		}
		return nil
	}, "SELECT key, value FROM @sys_meta")
	if err == nil && format != formatVersion {
		err = fmt.Errorf("the system tables have format %d, this build reads %d", format, formatVersion)
	}
	if c, ok := sqltype.LookupCollation(l.Collation); ok {
		l.caseSens = !c.IgnoreCase
	}
	return err
}

func (l *loader) loadSchemas() error {
	return l.query(func(st *sqlite3.Stmt) error {
		l.schemas = append(l.schemas, &Schema{ID: int32(st.ColumnInt64(0)), Name: st.ColumnText(1), Owner: int32(st.ColumnInt64(2))})
		return nil
	}, "SELECT id, name, owner FROM @sys_schema ORDER BY id")
}

func (l *loader) schemaName(id int32) string {
	for _, s := range l.schemas {
		if s.ID == id {
			return s.Name
		}
	}
	return ""
}

func (l *loader) loadObjects() error {
	return l.query(func(st *sqlite3.Stmt) error {
		flags := st.ColumnInt64(8)
		o := &Object{ID: int32(st.ColumnInt64(0)), Kind: Kind(st.ColumnText(1)), SchemaID: int32(st.ColumnInt64(2)),
			Name: st.ColumnText(3), Parent: int32(st.ColumnInt64(4)), Created: time.UnixMicro(st.ColumnInt64(5)).UTC(),
			Modified: time.UnixMicro(st.ColumnInt64(6)).UTC(), Text: st.ColumnText(7),
			QuotedIdentifier: flags&flagQuotedIdentifier != 0, AnsiNulls: flags&flagAnsiNulls != 0, Generated: flags&flagGenerated != 0}
		o.Schema = l.schemaName(o.SchemaID)
		if o.Kind == Table {
			o.Table = &rel.Table{ID: o.ID, Schema: o.Schema, Name: o.Name, Identity: -1, Token: st.ColumnInt64(9), RowKey: int32(st.ColumnInt64(10))}
		}
		l.objects[o.ID] = o
		l.ordered = append(l.ordered, o)
		l.byName[nameKey{l.Fold(o.Schema), l.Fold(o.Name)}] = o
		return nil
	}, "SELECT id, kind, schema, name, parent, created, modified, text, flags, token, rowkey FROM @sys_object ORDER BY id")
}

// table gives the table with a number; system tables that disagree are damage.
func (l *loader) table(id int32) (*rel.Table, error) {
	if o := l.objects[id]; o != nil && o.Table != nil {
		return o.Table, nil
	}
	return nil, fmt.Errorf("the system tables are damaged: no table %d", id)
}

func (l *loader) loadColumns() error {
	return l.query(func(st *sqlite3.Stmt) error {
		t, err := l.table(int32(st.ColumnInt64(0)))
		if err != nil {
			return err
		}
		kind, ok := kindOf(st.ColumnText(3))
		if !ok {
			return fmt.Errorf("the system tables are damaged: type %q", st.ColumnText(3))
		}
		c := &rel.Column{ID: int32(st.ColumnInt64(1)), Name: st.ColumnText(2), Nullable: st.ColumnBool(8),
			Type: sqltype.Type{Kind: kind, Len: st.ColumnInt(4), Prec: uint8(st.ColumnInt(5)), Scale: uint8(st.ColumnInt(6)), Collation: st.ColumnText(7)},
			Seed: st.ColumnInt64(9), Increment: st.ColumnInt64(10), Identity: st.ColumnType(9) != sqlite3.NULL,
			Default: st.ColumnText(11), DefaultID: int32(st.ColumnInt64(12)), Computed: st.ColumnText(13),
			Persisted: st.ColumnBool(14), RowGUID: st.ColumnBool(15)}
		if o := l.objects[c.DefaultID]; o != nil {
			c.DefaultName, c.DefaultGenerated = o.Name, o.Generated
		}
		if c.Identity {
			t.Identity = len(t.Columns)
		}
		t.Columns = append(t.Columns, c)
		return nil
	}, `SELECT object, id, name, kind, len, prec, scale, collation, nullable, seed, increment, dflt, dflt_id, computed, persisted,
		rowguid FROM @sys_column ORDER BY object, id`)
}

func (l *loader) loadIndexes() error {
	l.indexes = map[int32]*rel.Index{}
	return l.query(func(st *sqlite3.Stmt) error {
		t, err := l.table(int32(st.ColumnInt64(1)))
		if err != nil {
			return err
		}
		f := st.ColumnInt64(4)
		ix := &rel.Index{ID: int32(st.ColumnInt64(0)), Number: int32(st.ColumnInt64(2)), Name: st.ColumnText(3),
			ObjectID: int32(st.ColumnInt64(5)), Filter: st.ColumnText(6), FilterSQL: st.ColumnText(7), Unique: f&flagUnique != 0, Primary: f&flagPrimary != 0,
			Constraint: f&flagConstraint != 0, Clustered: f&flagClustered != 0, Generated: f&flagGenerated != 0,
			Disabled: f&flagDisabled != 0, IgnoreDup: f&flagIgnoreDup != 0}
		l.indexes[ix.ID] = ix
		t.Indexes = append(t.Indexes, ix)
		if n := len(t.Indexes); ix.Primary && n > 1 { // the primary key comes first
			copy(t.Indexes[1:], t.Indexes[:n-1])
			t.Indexes[0] = ix
		}
		return nil
	}, "SELECT id, object, number, name, flags, constraint_id, filter, filter_sql FROM @sys_index ORDER BY object, number")
}

func (l *loader) loadIndexColumns() error {
	return l.query(func(st *sqlite3.Stmt) error {
		ix := l.indexes[int32(st.ColumnInt64(0))]
		if ix == nil {
			return fmt.Errorf("the system tables are damaged: no index %d", st.ColumnInt64(0))
		}
		col, f := int32(st.ColumnInt64(1)), st.ColumnInt64(2)
		if f&flagIncluded != 0 {
			ix.Include = append(ix.Include, col)
		} else {
			ix.Columns = append(ix.Columns, rel.IndexColumn{ColumnID: col, Desc: f&flagDesc != 0})
		}
		return nil
	}, "SELECT idx, col, flags FROM @sys_index_column ORDER BY idx, ord")
}

func (l *loader) loadChecks() error {
	return l.query(func(st *sqlite3.Stmt) error {
		t, err := l.table(int32(st.ColumnInt64(1)))
		if err != nil {
			return err
		}
		f := st.ColumnInt64(4)
		c := &rel.Check{ID: int32(st.ColumnInt64(0)), ColumnID: int32(st.ColumnInt64(2)), Expr: st.ColumnText(3),
			Disabled: f&flagDisabled != 0, NotTrusted: f&flagNotTrusted != 0}
		if o := l.objects[c.ID]; o != nil {
			c.Name, c.Generated = o.Name, o.Generated
		}
		t.Checks = append(t.Checks, c)
		return nil
	}, "SELECT id, object, col, text, flags FROM @sys_check ORDER BY id")
}

func (l *loader) loadForeign() error {
	l.foreign = map[int32]*rel.Foreign{}
	return l.query(func(st *sqlite3.Stmt) error {
		from, err := l.table(int32(st.ColumnInt64(1)))
		if err != nil {
			return err
		}
		to, err := l.table(int32(st.ColumnInt64(2)))
		if err != nil {
			return err
		}
		flags := st.ColumnInt64(6)
		f := &rel.Foreign{ID: int32(st.ColumnInt64(0)), Table: from.ID, Target: to.ID, TargetKey: int32(st.ColumnInt64(3)),
			OnDelete: st.ColumnText(4), OnUpdate: st.ColumnText(5), SelfRefs: from.ID == to.ID,
			Disabled: flags&flagDisabled != 0, NotTrusted: flags&flagNotTrusted != 0}
		if o := l.objects[f.ID]; o != nil {
			f.Name, f.Generated = o.Name, o.Generated
		}
		l.foreign[f.ID] = f
		from.Foreign = append(from.Foreign, f)
		to.Referenced = append(to.Referenced, f)
		return nil
	}, "SELECT id, object, target, target_key, on_delete, on_update, flags FROM @sys_foreign ORDER BY id")
}

func (l *loader) loadForeignColumns() error {
	return l.query(func(st *sqlite3.Stmt) error {
		if f := l.foreign[int32(st.ColumnInt64(0))]; f != nil {
			f.Columns = append(f.Columns, int32(st.ColumnInt64(1)))
			f.TargetColumns = append(f.TargetColumns, int32(st.ColumnInt64(2)))
		}
		return nil
	}, "SELECT id, col, target_col FROM @sys_foreign_column ORDER BY id, ord")
}

func (l *loader) loadProperties() error {
	return l.query(func(st *sqlite3.Stmt) error {
		l.props = append(l.props, Property{Class: uint8(st.ColumnInt(0)), Major: int32(st.ColumnInt64(1)), Minor: int32(st.ColumnInt64(2)),
			Name: st.ColumnText(3), Value: st.ColumnText(4), Valid: st.ColumnType(4) != sqlite3.NULL})
		return nil
	}, "SELECT class, major, minor, name, value FROM @sys_property ORDER BY class, major, minor, name")
}

func (l *loader) loadPrincipals() error {
	err := l.query(func(st *sqlite3.Stmt) error {
		l.principals = append(l.principals, &Principal{ID: int32(st.ColumnInt64(0)), Name: st.ColumnText(1), Kind: strings.TrimSpace(st.ColumnText(2)),
			DefaultSchema: st.ColumnText(3), SID: st.ColumnBlob(4, nil), Created: time.UnixMicro(st.ColumnInt64(5)).UTC(), Fixed: st.ColumnBool(6)})
		return nil
	}, "SELECT id, name, kind, default_schema, sid, created, fixed FROM @sys_principal ORDER BY id")
	if err != nil {
		return err
	}
	return l.query(func(st *sqlite3.Stmt) error {
		l.members = append(l.members, Member{Role: int32(st.ColumnInt64(0)), Member: int32(st.ColumnInt64(1))})
		return nil
	}, "SELECT role, member FROM @sys_member ORDER BY role, member")
}
