package catalog

import (
	"linkspan/rel"
	"linkspan/sqlerr"
	"linkspan/sqltype"
)

const objectColumns = `name sysname!, object_id int!, principal_id int, schema_id int!, parent_object_id int!, type char(2), type_desc nvarchar(60),
	create_date datetime!, modify_date datetime!, is_ms_shipped bit!, is_published bit!, is_schema_published bit!`

func objectRow(o *Object) []any {
	return []any{o.Name, o.ID, nil, o.SchemaID, o.Parent, o.Kind, typeDesc(o.Kind), o.Created, o.Modified, false, false, false}
}

// objectsOf fills a view with the objects of some kinds, followed by more columns.
func objectsOf(more func(v *views, o *Object) []any, kinds ...Kind) func(v *views, add row) error {
	return func(v *views, add row) error {
		for _, o := range v.ordered {
			ok := len(kinds) == 0
			for _, k := range kinds {
				ok = ok || k == o.Kind
			}
			if !ok {
				continue
			}
			values := objectRow(o)
			if owner, ok := v.owners[ownedKey{ClassObject, o.ID}]; ok {
				values[2] = owner
			}
			if more != nil {
				values = append(values, more(v, o)...)
			}
			if err := add(values...); err != nil {
				return err
			}
		}
		return nil
	}
}

func empty(*views, row) error { return nil }

// columnColumns are sys.columns'.
const columnColumns = `object_id int!, name sysname, column_id int!, system_type_id tinyint!, user_type_id int!, max_length smallint!,
	precision tinyint!, scale tinyint!, collation_name sysname, is_nullable bit, is_ansi_padded bit!, is_rowguidcol bit!, is_identity bit!,
	is_computed bit!, is_filestream bit!, is_replicated bit, is_non_sql_subscribed bit, is_merge_published bit, is_dts_replicated bit,
	is_xml_document bit!, xml_collection_id int!, default_object_id int!, rule_object_id int!, is_sparse bit, is_column_set bit,
	generated_always_type tinyint, generated_always_type_desc nvarchar(60), encryption_type int, encryption_type_desc nvarchar(64),
	encryption_algorithm_name sysname, column_encryption_key_id int, column_encryption_key_database_name sysname, is_hidden bit,
	is_masked bit!, graph_type int, graph_type_desc nvarchar(60)`

func columnRow(t *rel.Table, c *rel.Column) []any {
	i := info(c.Type)
	return []any{t.ID, c.Name, c.ID, i.id, i.user, i.length, i.prec, i.scale, collationOf(c.Type), c.Nullable,
		c.Type.Kind.IsString() || c.Type.Kind.IsBinary(), c.RowGUID, c.Identity, c.Computed != "", false, false, false, false, false, false, 0,
		c.DefaultID, 0, false, false, 0, "NOT_APPLICABLE", nil, nil, nil, nil, nil, false, false, nil, nil}
}

func columnRows(v *views, add row) error {
	return v.tables(func(o *Object) error {
		for _, c := range o.Table.Columns {
			if err := add(columnRow(o.Table, c)...); err != nil {
				return err
			}
		}
		return nil
	})
}

func indexRows(v *views, add row) error {
	return v.tables(func(o *Object) error {
		clustered := false
		for _, ix := range o.Table.Indexes {
			clustered = clustered || ix.Clustered
		}
		if !clustered {
			if err := add(o.ID, nil, 0, 0, "HEAP", false, 1, false, false, false, 0, false, false, false, true, true, false, nil, nil, nil, false, false); err != nil {
				return err
			}
		}
		for _, ix := range o.Table.Indexes {
			typ, desc := 2, "NONCLUSTERED"
			if ix.Clustered {
				typ, desc = 1, "CLUSTERED"
			}
			err := add(o.ID, ix.Name, ix.Number, typ, desc, ix.Unique, 1, ix.IgnoreDup, ix.Primary, ix.Constraint && !ix.Primary, 0, false,
				ix.Disabled, false, true, true, ix.Filter != "", nullable(ix.Filter), nil, nil, false, false)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func indexColumnRows(v *views, add row) error {
	return v.tables(func(o *Object) error {
		for _, ix := range o.Table.Indexes {
			n := 0
			for _, k := range ix.Columns {
				n++
				if err := add(o.ID, ix.Number, n, k.ColumnID, n, 0, k.Desc, false, 0); err != nil {
					return err
				}
			}
			for _, c := range ix.Include {
				n++
				if err := add(o.ID, ix.Number, n, c, 0, 0, false, true, 0); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func foreignRows(v *views, add row) error {
	actions := map[string]int{"NO ACTION": 0, "CASCADE": 1, "SET NULL": 2, "SET DEFAULT": 3}
	words := []string{"NO_ACTION", "CASCADE", "SET_NULL", "SET_DEFAULT"}
	return v.tables(func(o *Object) error {
		for _, f := range o.Table.Foreign {
			number := int32(1)
			if target := v.objects[f.Target]; target != nil {
				for _, ix := range target.Table.Indexes {
					if ix.ID == f.TargetKey {
						number = ix.Number
					}
				}
			}
			del, upd := actions[f.OnDelete], actions[f.OnUpdate]
			values := append(objectRow(v.objects[f.ID]), f.Target, number, f.Disabled, false, f.NotTrusted, del, words[del], upd, words[upd], f.Generated)
			if err := add(values...); err != nil {
				return err
			}
		}
		return nil
	})
}

func foreignColumnRows(v *views, add row) error {
	return v.tables(func(o *Object) error {
		for _, f := range o.Table.Foreign {
			for i := range f.Columns {
				if err := add(f.ID, i+1, o.ID, f.Columns[i], f.Target, f.TargetColumns[i]); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func identityRows(v *views, add row) error {
	return v.tables(func(o *Object) error {
		if o.Table.Identity < 0 {
			return nil
		}
		c := o.Table.Columns[o.Table.Identity]
		var last any
		if v.conn != nil {
			n, used, err := v.ids.Current(v.conn, v.SQLSchema, o.Table)
			if err != nil {
				return err
			}
			if used {
				last = n
			}
		}
		values := append(columnRow(o.Table, c), c.Seed, c.Increment, last, false)
		return add(values...)
	})
}

func typeRows(v *views, add row) error {
	for k := sqltype.Bit; k <= sqltype.Variant; k++ {
		t := sqltype.Of(k)
		if k == sqltype.Decimal {
			t = sqltype.DecimalType(38, 38)
		}
		i := info(t)
		switch {
		case k == sqltype.Char || k == sqltype.VarChar || k == sqltype.Binary || k == sqltype.VarBinary:
			i.length = 8000
		case k == sqltype.NChar || k == sqltype.NVarChar:
			i.length = 8000
		}
		if err := add(k.String(), i.id, i.user, 4, nil, i.length, i.prec, i.scale, collationOf(sqltype.Type{Kind: k, Collation: v.Collation}),
			k != sqltype.RowVersion, false, false, 0, 0, false); err != nil {
			return err
		}
		if k == sqltype.Decimal {
			if err := add("numeric", 108, 108, 4, nil, i.length, i.prec, i.scale, nil, true, false, false, 0, 0, false); err != nil {
				return err
			}
		}
	}
	return add("sysname", 231, 256, 4, nil, 256, 0, 0, v.Collation, false, false, false, 0, 0, false)
}

func partitionRows(v *views, add row) error {
	return v.tables(func(o *Object) error {
		n, err := v.rowCount(o.Table)
		if err != nil {
			return err
		}
		part := func(index int32) error {
			id := int64(o.ID)<<16 | int64(index)
			return add(id, o.ID, index, 1, id, n, 0, 0, "NONE", false, "OFF")
		}
		heap := true
		for _, ix := range o.Table.Indexes {
			heap = heap && !ix.Clustered
		}
		if heap {
			if err := part(0); err != nil {
				return err
			}
		}
		for _, ix := range o.Table.Indexes {
			if err := part(ix.Number); err != nil {
				return err
			}
		}
		return nil
	})
}

func moduleRows(v *views, add row) error {
	for _, o := range v.ordered {
		if o.Text == "" {
			continue
		}
		if err := add(o.ID, o.Text, o.AnsiNulls, o.QuotedIdentifier, false, false, false, false, nil, false, false, false); err != nil {
			return err
		}
	}
	return nil
}

// constraintRows fills the views of CHECK and DEFAULT constraints.
func checkRows(v *views, add row) error {
	return v.tables(func(o *Object) error {
		for _, c := range o.Table.Checks {
			values := append(objectRow(v.objects[c.ID]), c.Disabled, false, c.NotTrusted, c.ColumnID, c.Expr, true, c.Generated)
			if err := add(values...); err != nil {
				return err
			}
		}
		return nil
	})
}

func defaultRows(v *views, add row) error {
	return v.tables(func(o *Object) error {
		for _, c := range o.Table.Columns {
			if d := v.objects[c.DefaultID]; c.DefaultID != 0 && d != nil {
				if err := add(append(objectRow(d), c.ID, c.Default, d.Generated)...); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func computedRows(v *views, add row) error {
	return v.tables(func(o *Object) error {
		for _, c := range o.Table.Columns {
			if c.Computed == "" {
				continue
			}
			if err := add(append(columnRow(o.Table, c), c.Computed, true, c.Persisted)...); err != nil {
				return err
			}
		}
		return nil
	})
}

func keyRows(v *views, add row) error {
	return v.tables(func(o *Object) error {
		for _, ix := range o.Table.Indexes {
			if ix.Constraint {
				if err := add(append(objectRow(v.objects[ix.ObjectID]), ix.Number, ix.Generated, !ix.Disabled)...); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func messageRows(_ *views, add row) error {
	for _, m := range sqlerr.Messages() {
		if err := add(m.Number, 1033, m.Severity, m.Severity >= sqlerr.SeverityResources, m.Format); err != nil {
			return err
		}
	}
	return nil
}

func principalRows(v *views, add row) error {
	desc := map[string]string{"S": "SQL_USER", "R": "DATABASE_ROLE", "C": "CERTIFICATE_MAPPED_USER", "E": "EXTERNAL_USER", "U": "WINDOWS_USER"}
	for _, p := range v.principals {
		auth, authDesc := 0, "NONE"
		if p.HasLogin() {
			auth, authDesc = 1, "INSTANCE"
		}
		if p.Kind == "U" && auth == 1 {
			auth, authDesc = 3, "WINDOWS"
		}
		var owner any
		if p.IsRole() {
			owner = v.RoleOwner(p.ID)
		}
		if err := add(p.Name, p.ID, p.Kind, desc[p.Kind], nullable(p.DefaultSchema), p.Created, p.Created, owner, p.shownSID(), p.IsRole() && p.ID >= firstFixedRole,
			auth, authDesc, nil, nil, false); err != nil {
			return err
		}
	}
	return nil
}

func tableMore(v *views, o *Object) []any {
	max := int32(0)
	for _, c := range o.Table.Columns {
		max = maxOf(max, c.ID)
	}
	return []any{0, nil, max, false, false, false, false, false, false, false, 0, "TABLE", false, false, 0, "SCHEMA_AND_DATA", 0, "NON_TEMPORAL_TABLE", nil, false, false}
}

func maxOf(a, b int32) int32 {
	if a > b {
		return a
	}
	return b
}

// sysViews are the views in schema sys, with SQL Server's columns in its order as far as they are kept here.
func sysViews() []viewDef {
	return []viewDef{
		{"sys", "objects", objectColumns, objectsOf(nil)},
		{"sys", "all_objects", objectColumns, objectsOf(nil)},
		{"sys", "tables", objectColumns + `, lob_data_space_id int!, filestream_data_space_id int, max_column_id_used int!, lock_on_bulk_load bit!,
			uses_ansi_nulls bit, is_replicated bit, has_replication_filter bit, is_merge_published bit, is_sync_tran_subscribed bit,
			has_unchecked_assembly_data bit!, text_in_row_limit int, lock_escalation_desc nvarchar(60), is_filetable bit, is_memory_optimized bit,
			durability tinyint, durability_desc nvarchar(60), temporal_type tinyint, temporal_type_desc nvarchar(60), history_table_id int,
			is_node bit, is_edge bit`, objectsOf(tableMore, Table)},
		{"sys", "columns", columnColumns, columnRows},
		{"sys", "all_columns", columnColumns, columnRows},
		{"sys", "schemas", "name sysname!, schema_id int!, principal_id int", func(v *views, add row) error {
			for _, s := range v.schemas {
				if err := add(s.Name, s.ID, s.Owner); err != nil {
					return err
				}
			}
			return nil
		}},
		{"sys", "types", `name sysname!, system_type_id tinyint!, user_type_id int!, schema_id int!, principal_id int, max_length smallint!, precision tinyint!,
			scale tinyint!, collation_name sysname, is_nullable bit, is_user_defined bit!, is_assembly_type bit!, default_object_id int!,
			rule_object_id int!, is_table_type bit!`, typeRows},
		{"sys", "indexes", `object_id int!, name sysname, index_id int!, type tinyint!, type_desc nvarchar(60), is_unique bit, data_space_id int, ignore_dup_key bit,
			is_primary_key bit, is_unique_constraint bit, fill_factor tinyint!, is_padded bit, is_disabled bit, is_hypothetical bit, allow_row_locks bit,
			allow_page_locks bit, has_filter bit, filter_definition nvarchar(max), compression_delay int, suppress_dup_key_messages bit,
			auto_created bit, optimize_for_sequential_key bit`, indexRows},
		{"sys", "index_columns", `object_id int!, index_id int!, index_column_id int!, column_id int!, key_ordinal tinyint!, partition_ordinal tinyint!,
			is_descending_key bit, is_included_column bit, column_store_order_ordinal tinyint!`, indexColumnRows},
		{"sys", "key_constraints", objectColumns + ", unique_index_id int, is_system_named bit!, is_enforced bit", keyRows},
		{"sys", "check_constraints", objectColumns + `, is_disabled bit!, is_not_for_replication bit!, is_not_trusted bit!, parent_column_id int!,
			definition nvarchar(max), uses_database_collation bit, is_system_named bit!`, checkRows},
		{"sys", "default_constraints", objectColumns + ", parent_column_id int!, definition nvarchar(max), is_system_named bit!", defaultRows},
		{"sys", "computed_columns", columnColumns + ", definition nvarchar(max), uses_database_collation bit!, is_persisted bit!", computedRows},
		{"sys", "identity_columns", columnColumns + ", seed_value bigint, increment_value bigint, last_value bigint, is_not_for_replication bit", identityRows},
		{"sys", "foreign_keys", objectColumns + `, referenced_object_id int, key_index_id int, is_disabled bit!, is_not_for_replication bit!, is_not_trusted bit!,
			delete_referential_action tinyint, delete_referential_action_desc nvarchar(60), update_referential_action tinyint,
			update_referential_action_desc nvarchar(60), is_system_named bit!`, foreignRows},
		{"sys", "foreign_key_columns", `constraint_object_id int!, constraint_column_id int!, parent_object_id int!, parent_column_id int!,
			referenced_object_id int!, referenced_column_id int!`, foreignColumnRows},
		{"sys", "views", objectColumns + `, is_replicated bit, has_replication_filter bit, has_opaque_metadata bit!, has_unchecked_assembly_data bit!,
			with_check_option bit!, is_date_correlation_view bit!, is_tracked_by_cdc bit, has_snapshot bit`,
			objectsOf(func(*views, *Object) []any { return []any{false, false, false, false, false, false, false, false} }, View)},
		{"sys", "procedures", objectColumns + ", is_auto_executed bit!, is_execution_replicated bit, is_repl_serializable_only bit, skips_repl_constraints bit",
			objectsOf(func(*views, *Object) []any { return []any{false, false, false, false} }, Procedure)},
		{"sys", "sql_modules", `object_id int!, definition nvarchar(max), uses_ansi_nulls bit, uses_quoted_identifier bit, is_schema_bound bit,
			uses_database_collation bit, is_recompiled bit, null_on_null_input bit, execute_as_principal_id int, uses_native_compilation bit,
			inline_type bit, is_inlineable bit`, moduleRows},
		{"sys", "all_sql_modules", `object_id int!, definition nvarchar(max), uses_ansi_nulls bit, uses_quoted_identifier bit, is_schema_bound bit,
			uses_database_collation bit, is_recompiled bit, null_on_null_input bit, execute_as_principal_id int, uses_native_compilation bit,
			inline_type bit, is_inlineable bit`, moduleRows},
		{"sys", "partitions", `partition_id bigint!, object_id int!, index_id int!, partition_number int!, hobt_id bigint!, rows bigint,
			filestream_filegroup_id smallint!, data_compression tinyint!, data_compression_desc nvarchar(60), xml_compression bit, xml_compression_desc varchar(3)`, partitionRows},
		{"sys", "messages", "message_id int!, language_id smallint!, severity tinyint, is_event_logged bit!, text nvarchar(2048)", messageRows},
		{"sys", "extended_properties", "class tinyint!, class_desc nvarchar(60), major_id int!, minor_id int!, name sysname!, value nvarchar(3750)", propertyRows},
		{"sys", "database_principals", `name sysname!, principal_id int!, type char(1)!, type_desc nvarchar(60), default_schema_name sysname, create_date datetime!,
			modify_date datetime!, owning_principal_id int, sid varbinary(85), is_fixed_role bit!, authentication_type int!,
			authentication_type_desc nvarchar(60), default_language_name sysname, default_language_lcid int, allow_encrypted_value_modifications bit!`, principalRows},
		{"sys", "database_role_members", "role_principal_id int!, member_principal_id int!", func(v *views, add row) error {
			for _, m := range v.members {
				if err := add(m.Role, m.Member); err != nil {
					return err
				}
			}
			return nil
		}},
		{"sys", "database_permissions", `class tinyint!, class_desc nvarchar(60), major_id int!, minor_id int!, grantee_principal_id int!,
			grantor_principal_id int!, type char(4)!, permission_name nvarchar(128), state char(1)!, state_desc nvarchar(60)`, permissionRows},
		{"sys", "synonyms", objectColumns + ", base_object_name nvarchar(1035)", empty},
		{"sys", "triggers", `name sysname!, object_id int!, parent_class tinyint!, parent_class_desc nvarchar(60), parent_id int!, type char(2)!, type_desc nvarchar(60),
			create_date datetime!, modify_date datetime!, is_ms_shipped bit!, is_disabled bit!, is_not_for_replication bit!, is_instead_of_trigger bit!`, empty},
		{"sys", "parameters", `object_id int!, name sysname, parameter_id int!, system_type_id tinyint!, user_type_id int!, max_length smallint!, precision tinyint!,
			scale tinyint!, is_output bit!, is_cursor_ref bit!, has_default_value bit!, is_xml_document bit!, default_value nvarchar(4000),
			xml_collection_id int!, is_readonly bit!, is_nullable bit`, empty},
		{"sys", "stats", `object_id int!, name sysname, stats_id int!, auto_created bit, user_created bit, no_recompute bit, has_filter bit,
			filter_definition nvarchar(max), is_temporary bit, is_incremental bit`, empty},
		{"sys", "assemblies", "name sysname!, principal_id int, assembly_id int!, clr_name nvarchar(4000), permission_set tinyint, is_visible bit!, is_user_defined bit", empty},
		{"sys", "data_spaces", "name sysname!, data_space_id int!, type char(2)!, type_desc nvarchar(60), is_default bit, is_system bit",
			func(_ *views, add row) error { return add("PRIMARY", 1, "FG", "ROWS_FILEGROUP", true, false) }},
		{"sys", "filegroups", `name sysname!, data_space_id int!, type char(2)!, type_desc nvarchar(60), is_default bit, is_system bit, filegroup_guid uniqueidentifier,
			log_filegroup_id int, is_read_only bit, is_autogrow_all_files bit`,
			func(_ *views, add row) error {
				return add("PRIMARY", 1, "FG", "ROWS_FILEGROUP", true, false, nil, nil, false, false)
			}},
	}
}

func propertyRows(v *views, add row) error {
	desc := map[uint8]string{0: "DATABASE", 1: "OBJECT_OR_COLUMN", 3: "SCHEMA", 7: "INDEX"}
	for _, p := range v.props {
		var value any
		if p.Valid {
			value = p.Value
		}
		if err := add(p.Class, desc[p.Class], p.Major, p.Minor, p.Name, value); err != nil {
			return err
		}
	}
	return nil
}

// oldViews are the compatibility views of SQL Server 2000.
func oldViews() []viewDef {
	return []viewDef{
		{"sys", "sysobjects", "name sysname!, id int!, xtype char(2)!, uid smallint, info smallint, status int, parent_obj int!, crdate datetime!, type char(2)",
			func(v *views, add row) error {
				for _, o := range v.ordered {
					if err := add(o.Name, o.ID, o.Kind, o.SchemaID, 0, 0, o.Parent, o.Created, o.Kind); err != nil {
						return err
					}
				}
				return nil
			}},
		{"sys", "syscolumns", "name sysname, id int!, xtype tinyint!, xusertype smallint, length smallint!, colid smallint, isnullable int, collation sysname",
			func(v *views, add row) error {
				return v.tables(func(o *Object) error {
					for _, c := range o.Table.Columns {
						i := info(c.Type)
						if err := add(c.Name, o.ID, i.id, i.user, i.length, c.ID, c.Nullable, collationOf(c.Type)); err != nil {
							return err
						}
					}
					return nil
				})
			}},
		{"sys", "sysindexes", "id int!, indid smallint, name sysname, rows int, rowcnt bigint", func(v *views, add row) error {
			return v.tables(func(o *Object) error {
				n, err := v.rowCount(o.Table)
				if err != nil {
					return err
				}
				if len(o.Table.Indexes) == 0 {
					return add(o.ID, 0, nil, n, n)
				}
				for _, ix := range o.Table.Indexes {
					if err := add(o.ID, ix.Number, ix.Name, n, n); err != nil {
						return err
					}
				}
				return nil
			})
		}},
	}
}
