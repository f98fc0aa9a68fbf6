package foreign

import (
	"fmt"
	"strings"

	"linkspan/bak/mdf"
	"linkspan/sqltype"
)

// quote makes a name a delimited identifier.
func quote(name string) string { return "[" + strings.ReplaceAll(name, "]", "]]") + "]" }

// text makes a value a Unicode literal.
func text(s string) string { return "N'" + strings.ReplaceAll(s, "'", "''") + "'" }

// named is a table's name for T-SQL.
func named(t *mdf.Table) string { return quote(t.Schema) + "." + quote(t.Name) }

// shown is a table's name for a report.
func shown(t *mdf.Table) string { return t.Schema + "." + t.Name }

// columns are those that can be read, with the expression of those that are computed.
func columns(t *mdf.Table) []mdf.Column {
	var out []mdf.Column
	for _, c := range t.Columns {
		if c.Unread == "" || c.Computed != "" {
			out = append(out, c)
		}
	}
	return out
}

// createTable is CREATE TABLE of t with its primary key. Without computed, columns with an expression are left out.
func createTable(t *mdf.Table, computed bool) string {
	var parts []string
	for _, c := range columns(t) {
		switch {
		case c.Computed == "":
			parts = append(parts, columnDef(&c))
		case computed:
			parts = append(parts, quote(c.Name)+" AS "+c.Computed)
		}
	}
	for i := range t.Indexes {
		if ix := &t.Indexes[i]; ix.Primary {
			parts = append(parts, "CONSTRAINT "+quote(ix.Name)+" PRIMARY KEY "+clustered(ix)+"("+keyColumns(ix)+")")
		}
	}
	return fmt.Sprintf("CREATE TABLE %s(%s)", named(t), strings.Join(parts, ", "))
}

func columnDef(c *mdf.Column) string {
	b := quote(c.Name) + " " + typeName(c.Type)
	if c.Identity != nil {
		b += fmt.Sprintf(" IDENTITY(%d, %d)", c.Identity.Seed, c.Identity.Increment)
	}
	if c.RowGUID {
		b += " ROWGUIDCOL"
	}
	if !c.Nullable {
		return b + " NOT NULL"
	}
	return b + " NULL"
}

// typeName spells a type with its collation, where we know that.
func typeName(t sqltype.Type) string {
	name := t.String()
	if t.Collation == "" {
		return name
	}
	if c, ok := sqltype.LookupCollation(t.Collation); ok {
		return name + " COLLATE " + c.Name
	}
	return name
}

func clustered(ix *mdf.Index) string {
	if ix.Kind == "CLUSTERED" {
		return "CLUSTERED "
	}
	return "NONCLUSTERED "
}

// keyColumns lists an index's key.
func keyColumns(ix *mdf.Index) string {
	var keys []string
	for _, c := range ix.Columns {
		switch {
		case c.Included:
		case c.Descending:
			keys = append(keys, quote(c.Name)+" DESC")
		default:
			keys = append(keys, quote(c.Name))
		}
	}
	return strings.Join(keys, ", ")
}

// createIndex is the statement for an index or a unique key, with its kind for the report.
func createIndex(t *mdf.Table, ix *mdf.Index) (kind, statement string) {
	if ix.Key {
		return "UNIQUE", fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s UNIQUE %s(%s)", named(t), quote(ix.Name), clustered(ix), keyColumns(ix))
	}
	unique := ""
	if ix.Unique {
		unique = "UNIQUE "
	}
	var included []string
	for _, c := range ix.Columns {
		if c.Included {
			included = append(included, quote(c.Name))
		}
	}
	statement = fmt.Sprintf("CREATE %s%sINDEX %s ON %s(%s)", unique, clustered(ix), quote(ix.Name), named(t), keyColumns(ix))
	if len(included) > 0 {
		statement += " INCLUDE (" + strings.Join(included, ", ") + ")"
	}
	return "INDEX", statement
}

// addForeignKey is the statement for a foreign key; the rows are taken as they are.
func addForeignKey(t *mdf.Table, f *mdf.ForeignKey) string {
	schema, name, _ := strings.Cut(f.ReferencedTable, ".")
	list := func(names []string) string {
		var q []string
		for _, n := range names {
			q = append(q, quote(n))
		}
		return strings.Join(q, ", ")
	}
	return fmt.Sprintf("ALTER TABLE %s WITH NOCHECK ADD CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s.%s (%s)", named(t), quote(f.Name), list(f.Columns),
		quote(schema), quote(name), list(f.ReferencedColumns))
}
