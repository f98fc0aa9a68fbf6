package servers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"linkspan/sqlclient"
)

// table is one table of a database that is compared.
type table struct {
	schema, name string
	columns      []column // by name
}

type column struct {
	name, typeName string
	udt            bool
}

func (t *table) full() string { return t.schema + "." + t.name }

// shape is what two sides must have in common to be compared by content.
func (t *table) shape() string {
	var b strings.Builder
	for i, c := range t.columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.name + " " + c.typeName)
	}
	return b.String()
}

// userDefined is the system type of hierarchyid, geometry and geography.
const userDefined = 240

// tablesOf lists the user tables of the database that the client is in.
func tablesOf(ctx context.Context, c speaker) (map[string]*table, error) {
	skip, err := left(ctx, c)
	if err != nil {
		return nil, err
	}
	byID := map[int64]*table{}
	r, err := c.Query(ctx, `SELECT t.object_id, s.name AS schema_name, t.name FROM sys.tables t JOIN sys.schemas s ON s.schema_id = t.schema_id WHERE t.is_ms_shipped = 0`)
	if err != nil {
		return nil, err
	}
	for _, x := range rowsOf(r.First()) {
		if id := x.number("object_id"); !skip[[2]int64{id, 0}] {
			byID[id] = &table{schema: x.text("schema_name"), name: x.text("name")}
		}
	}
	err = c.Each(ctx, `SELECT c.object_id, c.column_id, c.name, c.system_type_id, t.name AS type_name FROM sys.columns c
	LEFT JOIN sys.types t ON t.user_type_id = c.system_type_id WHERE c.is_computed = 0`, func(v []any) error {
		x := row{"object_id": v[0], "column_id": v[1], "name": v[2], "system_type_id": v[3], "type_name": v[4]}
		t := byID[x.number("object_id")]
		if t == nil || skip[[2]int64{x.number("object_id"), x.number("column_id")}] {
			return nil
		}
		t.columns = append(t.columns, column{name: x.text("name"), typeName: x.text("type_name"), udt: x.number("system_type_id") == userDefined})
		return nil
	})
	if err != nil {
		return nil, err
	}
	all := map[string]*table{}
	for _, t := range byID {
		slices.SortFunc(t.columns, func(a, b column) int { return strings.Compare(a.name, b.name) })
		all[t.full()] = t
	}
	return all, nil
}

// left are what is not read: external tables (column 0), whose rows are elsewhere, and the internal columns of graph
// tables, which cannot be selected. Versions without them have neither view nor column.
func left(ctx context.Context, c speaker) (map[[2]int64]bool, error) {
	skip := map[[2]int64]bool{}
	for _, text := range []string{
		"SELECT object_id, 0 AS column_id FROM sys.external_tables",
		"SELECT object_id, column_id FROM sys.columns WHERE graph_type IN (1, 3, 4, 6, 7)",
	} {
		r, err := c.Query(ctx, text)
		if err != nil && !tried(err, absent) {
			return nil, err
		}
		if err != nil {
			continue
		}
		for _, x := range rowsOf(r.First()) {
			skip[[2]int64{x.number("object_id"), x.number("column_id")}] = true
		}
	}
	return skip, nil
}

// query selects the whole table. User-defined types come as their bytes.
func (t *table) query() string {
	list := make([]string, len(t.columns))
	if len(list) == 0 { // an edge of a graph without columns of its own is counted
		list = []string{"NULL"}
	}
	for i, c := range t.columns {
		list[i] = sqlclient.QuoteName(c.name)
		if c.udt {
			list[i] = fmt.Sprintf("CAST(%s AS varbinary(max))", list[i])
		}
	}
	return fmt.Sprintf("SELECT %s FROM %s.%s", strings.Join(list, ", "), sqlclient.QuoteName(t.schema), sqlclient.QuoteName(t.name))
}

// read reads a table and gives its digest.
func (t *table) read(ctx context.Context, c speaker) (*digest, error) {
	d := new(digest)
	if err := c.Each(ctx, t.query(), d.add); err != nil {
		return nil, fmt.Errorf("read table %s: %w", t.full(), err)
	}
	return d, nil
}
