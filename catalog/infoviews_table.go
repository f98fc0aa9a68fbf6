package catalog

import (
	"linkspan/rel"
	"linkspan/sqltype"
)

// dataType is INFORMATION_SCHEMA's name of a type.
func dataType(t sqltype.Type) string { return t.Kind.String() }

func infoColumnRow(db string, o *Object, ord int, c *rel.Column) []any {
	i := info(c.Type)
	var chars, octets, prec, radix, scale, dtPrec, set any
	switch k := c.Type.Kind; {
	case k.IsString() || k.IsBinary() && k != sqltype.RowVersion:
		chars, octets = c.Type.Len, i.length
		if k == sqltype.Text || k == sqltype.NText || k == sqltype.Image {
			chars, octets = 2147483647, 2147483647
		}
		if k.IsUnicode() {
			set = "UNICODE"
		} else if k.IsString() {
			set = "iso_1"
		}
	case k.IsNumeric() && k != sqltype.Bit:
		prec, radix, scale = i.prec, 10, i.scale
		if k == sqltype.Real || k == sqltype.Float {
			radix, scale = 2, nil
		}
	case k.IsTemporal():
		dtPrec = i.scale
	}
	null := "NO"
	if c.Nullable {
		null = "YES"
	}
	return []any{db, o.Schema, o.Name, c.Name, ord + 1, nullable(c.Default), null, dataType(c.Type), chars, octets, prec, radix, scale, dtPrec, nil, nil,
		set, nil, nil, collationOf(c.Type), nil, nil, nil}
}

// constraintsOf calls f for each constraint of each table.
func (v *views) constraintsOf(f func(t *Object, c *Object, word string, columns []int32) error) error {
	return v.tables(func(o *Object) error {
		for _, ix := range o.Table.Indexes {
			if !ix.Constraint {
				continue
			}
			word := "UNIQUE"
			if ix.Primary {
				word = "PRIMARY KEY"
			}
			var cols []int32
			for _, k := range ix.Columns {
				cols = append(cols, k.ColumnID)
			}
			if err := f(o, v.objects[ix.ObjectID], word, cols); err != nil {
				return err
			}
		}
		for _, k := range o.Table.Foreign {
			if err := f(o, v.objects[k.ID], "FOREIGN KEY", k.Columns); err != nil {
				return err
			}
		}
		for _, k := range o.Table.Checks {
			if err := f(o, v.objects[k.ID], "CHECK", nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// schemaViews are INFORMATION_SCHEMA's.
func schemaViews() []viewDef {
	const s = "INFORMATION_SCHEMA"
	return []viewDef{
		{s, "TABLES", "TABLE_CATALOG nvarchar(128), TABLE_SCHEMA nvarchar(128), TABLE_NAME sysname!, TABLE_TYPE varchar(10)", func(v *views, add row) error {
			for _, o := range v.ordered {
				word := map[Kind]string{Table: "BASE TABLE", View: "VIEW"}[o.Kind]
				if word == "" {
					continue
				}
				if err := add(v.database, o.Schema, o.Name, word); err != nil {
					return err
				}
			}
			return nil
		}},
		{s, "COLUMNS", `TABLE_CATALOG nvarchar(128), TABLE_SCHEMA nvarchar(128), TABLE_NAME nvarchar(128)!, COLUMN_NAME nvarchar(128), ORDINAL_POSITION int,
			COLUMN_DEFAULT nvarchar(4000), IS_NULLABLE varchar(3), DATA_TYPE nvarchar(128), CHARACTER_MAXIMUM_LENGTH int, CHARACTER_OCTET_LENGTH int,
			NUMERIC_PRECISION tinyint, NUMERIC_PRECISION_RADIX smallint, NUMERIC_SCALE int, DATETIME_PRECISION smallint, CHARACTER_SET_CATALOG sysname,
			CHARACTER_SET_SCHEMA sysname, CHARACTER_SET_NAME sysname, COLLATION_CATALOG sysname, COLLATION_SCHEMA sysname, COLLATION_NAME sysname,
			DOMAIN_CATALOG sysname, DOMAIN_SCHEMA sysname, DOMAIN_NAME sysname`, func(v *views, add row) error {
			return v.tables(func(o *Object) error {
				for i, c := range o.Table.Columns {
					if err := add(infoColumnRow(v.database, o, i, c)...); err != nil {
						return err
					}
				}
				return nil
			})
		}},
		{s, "VIEWS", "TABLE_CATALOG nvarchar(128), TABLE_SCHEMA nvarchar(128), TABLE_NAME nvarchar(128), VIEW_DEFINITION nvarchar(4000), CHECK_OPTION varchar(7), IS_UPDATABLE varchar(2)!",
			func(v *views, add row) error {
				for _, o := range v.ordered {
					if o.Kind == View {
						if err := add(v.database, o.Schema, o.Name, o.Text, "NONE", "NO"); err != nil {
							return err
						}
					}
				}
				return nil
			}},
		{s, "SCHEMATA", `CATALOG_NAME nvarchar(128), SCHEMA_NAME nvarchar(128)!, SCHEMA_OWNER nvarchar(128), DEFAULT_CHARACTER_SET_CATALOG varchar(6),
			DEFAULT_CHARACTER_SET_SCHEMA varchar(3), DEFAULT_CHARACTER_SET_NAME sysname`, func(v *views, add row) error {
			for _, x := range v.schemas {
				owner := ""
				for _, p := range v.principals {
					if p.ID == x.Owner {
						owner = p.Name
					}
				}
				if err := add(v.database, x.Name, owner, nil, nil, "iso_1"); err != nil {
					return err
				}
			}
			return nil
		}},
		{s, "TABLE_CONSTRAINTS", `CONSTRAINT_CATALOG nvarchar(128), CONSTRAINT_SCHEMA nvarchar(128), CONSTRAINT_NAME sysname!, TABLE_CATALOG nvarchar(128),
			TABLE_SCHEMA nvarchar(128), TABLE_NAME sysname, CONSTRAINT_TYPE varchar(11), IS_DEFERRABLE varchar(2)!, INITIALLY_DEFERRED varchar(2)!`, func(v *views, add row) error {
			return v.constraintsOf(func(t, c *Object, word string, _ []int32) error {
				return add(v.database, c.Schema, c.Name, v.database, t.Schema, t.Name, word, "NO", "NO")
			})
		}},
		{s, "KEY_COLUMN_USAGE", `CONSTRAINT_CATALOG nvarchar(128), CONSTRAINT_SCHEMA nvarchar(128), CONSTRAINT_NAME nvarchar(128)!, TABLE_CATALOG nvarchar(128),
			TABLE_SCHEMA nvarchar(128), TABLE_NAME nvarchar(128)!, COLUMN_NAME nvarchar(128), ORDINAL_POSITION int!`, func(v *views, add row) error {
			return v.constraintsOf(func(t, c *Object, _ string, cols []int32) error {
				for i, id := range cols {
					if err := add(v.database, c.Schema, c.Name, v.database, t.Schema, t.Name, t.Table.Column(id).Name, i+1); err != nil {
						return err
					}
				}
				return nil
			})
		}},
		{s, "CONSTRAINT_COLUMN_USAGE", `TABLE_CATALOG nvarchar(128), TABLE_SCHEMA nvarchar(128), TABLE_NAME nvarchar(128)!, COLUMN_NAME nvarchar(128),
			CONSTRAINT_CATALOG nvarchar(128), CONSTRAINT_SCHEMA nvarchar(128), CONSTRAINT_NAME sysname!`, func(v *views, add row) error {
			return v.constraintsOf(func(t, c *Object, _ string, cols []int32) error {
				for _, id := range cols {
					if err := add(v.database, t.Schema, t.Name, t.Table.Column(id).Name, v.database, c.Schema, c.Name); err != nil {
						return err
					}
				}
				return nil
			})
		}},
		{s, "CHECK_CONSTRAINTS", "CONSTRAINT_CATALOG nvarchar(128), CONSTRAINT_SCHEMA nvarchar(128), CONSTRAINT_NAME sysname!, CHECK_CLAUSE nvarchar(4000)",
			func(v *views, add row) error {
				return v.tables(func(o *Object) error {
					for _, c := range o.Table.Checks {
						if err := add(v.database, o.Schema, c.Name, c.Expr); err != nil {
							return err
						}
					}
					return nil
				})
			}},
		{s, "REFERENTIAL_CONSTRAINTS", `CONSTRAINT_CATALOG nvarchar(128), CONSTRAINT_SCHEMA nvarchar(128), CONSTRAINT_NAME sysname!, UNIQUE_CONSTRAINT_CATALOG nvarchar(128),
			UNIQUE_CONSTRAINT_SCHEMA nvarchar(128), UNIQUE_CONSTRAINT_NAME sysname, MATCH_OPTION varchar(7), UPDATE_RULE varchar(11), DELETE_RULE varchar(11)`, func(v *views, add row) error {
			return v.tables(func(o *Object) error {
				for _, f := range o.Table.Foreign {
					target := v.objects[f.Target]
					name := ""
					for _, ix := range target.Table.Indexes {
						if ix.ID == f.TargetKey {
							name = ix.Name
						}
					}
					if err := add(v.database, o.Schema, f.Name, v.database, target.Schema, name, "SIMPLE", f.OnUpdate, f.OnDelete); err != nil {
						return err
					}
				}
				return nil
			})
		}},
		{s, "ROUTINES", `SPECIFIC_CATALOG nvarchar(128), SPECIFIC_SCHEMA nvarchar(128), SPECIFIC_NAME nvarchar(128)!, ROUTINE_CATALOG nvarchar(128),
			ROUTINE_SCHEMA nvarchar(128), ROUTINE_NAME nvarchar(128)!, ROUTINE_TYPE nvarchar(20), ROUTINE_DEFINITION nvarchar(4000), CREATED datetime!, LAST_ALTERED datetime!`, func(v *views, add row) error {
			for _, o := range v.ordered {
				word := map[Kind]string{Procedure: "PROCEDURE", Scalar: "FUNCTION", InlineTable: "FUNCTION", "TF": "FUNCTION"}[o.Kind]
				if word == "" {
					continue
				}
				if err := add(v.database, o.Schema, o.Name, v.database, o.Schema, o.Name, word, o.Text, o.Created, o.Modified); err != nil {
					return err
				}
			}
			return nil
		}},
	}
}
