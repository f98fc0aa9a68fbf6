package bind_test

import (
	"strings"
	"testing"

	"linkspan/catalog"
)

func TestCreateTable(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.fails("CREATE TABLE t (a int, A int)", 2705)
	d.fails("CREATE TABLE t (a nothing)", 243, "nothing")
	d.fails("CREATE TABLE t (a varchar(9000))", 131)
	d.fails("CREATE TABLE t (a decimal(39))", 2750)
	d.fails("CREATE TABLE t (a int(4))", 2716)
	d.fails("CREATE TABLE t (a int IDENTITY, b int IDENTITY)", 2744)
	d.fails("CREATE TABLE t (a varchar(5) IDENTITY)", 2749)
	d.fails("CREATE TABLE t (a int NULL PRIMARY KEY)", 8147)
	d.fails("CREATE TABLE t (a int PRIMARY KEY, b int, PRIMARY KEY (b))", 8110)
	d.fails("CREATE TABLE t (a int, PRIMARY KEY (b))", 1911)
	d.fails("CREATE TABLE t (a nvarchar(max) PRIMARY KEY)", 1919)
	d.fails("CREATE TABLE nothing.t (a int)", 2760)
	d.fails("CREATE TABLE t (a int CHECK (b > 1))", 207)
	d.fails("CREATE TABLE t (a int DEFAULT (b))", 207)
	d.fails("CREATE TABLE t (a int, b AS nothing + 1)", 207)
	d.fails("CREATE TABLE t (a timestamp)", 40514, "timestamp")
	d.ok("CREATE TABLE t (a int)")
	d.fails("CREATE TABLE T (a int)", 2714, "'T'")
	d.fails("CREATE TABLE u (a int CONSTRAINT t CHECK (a > 1))", 2714)
	d.ok("DROP TABLE IF EXISTS u; DROP TABLE t")
	d.fails("DROP TABLE t", 3701, "drop", "'t'")
	d.fails("SELECT * FROM t", 208)
}

func TestAlterTable(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok("CREATE TABLE t (id int NOT NULL, a varchar(10) NULL); INSERT t VALUES (1, '10'), (2, '20'), (3, NULL)")
	d.ok("ALTER TABLE t ADD b int NULL, c int NOT NULL CONSTRAINT DF_c DEFAULT (5), e int NULL DEFAULT 6 WITH VALUES, f AS id * 2")
	d.want("SELECT id, b, c, e, f FROM t ORDER BY id", "1|NULL|5|6|2\n2|NULL|5|6|4\n3|NULL|5|6|6")
	d.fails("ALTER TABLE t ADD x int NOT NULL", 4901, "'x'")
	d.fails("ALTER TABLE t ADD b int", 2705)
	d.ok("ALTER TABLE t ADD CONSTRAINT PK_t PRIMARY KEY (id)")
	d.fails("INSERT t (id) VALUES (1)", 2627, "PK_t")
	d.fails("ALTER TABLE t ADD PRIMARY KEY (c)", 8110)
	d.ok("ALTER TABLE t ALTER COLUMN a int NULL")
	d.want("SELECT a + 1 FROM t ORDER BY id", "11\n21\nNULL")
	d.fails("ALTER TABLE t ALTER COLUMN a int NOT NULL", 515, "'a'", "UPDATE fails")
	d.ok("UPDATE t SET a = 30 WHERE a IS NULL; ALTER TABLE t ALTER COLUMN a int NOT NULL")
	d.fails("INSERT t (id) VALUES (9)", 515, "'a'")
	d.fails("ALTER TABLE t ALTER COLUMN id bigint NOT NULL", 5074, "PK_t", "'id'")
	d.ok("ALTER TABLE t ALTER COLUMN a varchar(2) NOT NULL")
	d.fails("ALTER TABLE t ALTER COLUMN a varchar(1) NOT NULL", 2628, "'a'")
	d.want("SELECT a FROM t ORDER BY id", "10\n20\n30")
	d.fails("ALTER TABLE t DROP COLUMN c", 5074, "DF_c")
	d.fails("ALTER TABLE t DROP COLUMN id", 5074)
	d.fails("ALTER TABLE t DROP COLUMN nothing", 4924)
	d.fails("ALTER TABLE t DROP CONSTRAINT nothing", 3728)
	d.fails("ALTER TABLE nothing ADD a int", 4902)
	d.ok("ALTER TABLE t DROP CONSTRAINT DF_c; ALTER TABLE t DROP COLUMN c, b; ALTER TABLE t DROP COLUMN f, CONSTRAINT PK_t")
	d.ok("INSERT t (id, a) VALUES (1, 'x')")
	d.want("SELECT * FROM t ORDER BY id, a", "1|10|6\n1|x|6\n2|20|6\n3|30|6")
	d.ok("ALTER TABLE t ADD DEFAULT 'dd' FOR a; INSERT t (id) VALUES (7)")
	d.want("SELECT a FROM t WHERE id = 7", "dd")
	d.fails("ALTER TABLE t ADD DEFAULT 'dd' FOR a", 1781)
	d.ok("ALTER TABLE t ADD n int IDENTITY(100, 10)")
	d.ok("INSERT t (id) VALUES (8)")
	d.want("SELECT id, n FROM t WHERE n > 120 ORDER BY n", "1|130\n7|140\n8|150")
	d.ok("ALTER TABLE t ADD p AS id + 1 PERSISTED; CREATE INDEX ix_p ON t (p)")
	d.want("SELECT p FROM t WHERE id = 8", "9")
	d.fails("ALTER TABLE t SWITCH TO u", 40514)
}

// A table may hold what its old form held, whatever its primary key does to it.
func TestPrimaryKeyComesAndGoes(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok("CREATE TABLE t (id bigint NOT NULL CONSTRAINT PK_t PRIMARY KEY, v varchar(5)); INSERT t VALUES (5, 'e'), (1, 'a')")
	d.ok("ALTER TABLE t DROP CONSTRAINT PK_t; INSERT t VALUES (5, 'f')")
	d.want("SELECT id, v FROM t ORDER BY id, v", "1|a\n5|e\n5|f")
	d.ok("DELETE t WHERE v = 'f'; ALTER TABLE t ADD CONSTRAINT PK_t PRIMARY KEY NONCLUSTERED (id DESC); UPDATE t SET id = id * 10")
	d.want("SELECT id, v FROM t ORDER BY id", "10|a\n50|e")
	d.fails("INSERT t VALUES (10, 'x')", 2627, "(10)")
	d.want("SELECT type_desc, is_primary_key, is_descending_key FROM sys.indexes i JOIN sys.index_columns c ON c.object_id = i.object_id AND c.index_id = i.index_id", "NONCLUSTERED|1|1")
}

func TestIndexes(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok("CREATE TABLE t (a int, b varchar(10), c int, d nvarchar(max)); CREATE CLUSTERED INDEX ix_a ON t (a); CREATE INDEX ix_b ON t (b DESC, c) INCLUDE (d)")
	d.ok("CREATE UNIQUE INDEX ix_f ON t (c) WHERE c IS NOT NULL AND a > 5")
	d.ok("INSERT t (a, c) VALUES (1, 1), (2, 1), (6, NULL), (7, NULL), (8, 9)")
	d.fails("INSERT t (a, c) VALUES (9, 9)", 2601, "ix_f", "(9)")
	d.want("SELECT name, index_id, type_desc, is_unique, has_filter, filter_definition FROM sys.indexes WHERE object_id = OBJECT_ID('t') ORDER BY index_id",
		"ix_a|1|CLUSTERED|0|0|NULL\nix_b|2|NONCLUSTERED|0|0|NULL\nix_f|3|NONCLUSTERED|1|1|(c IS NOT NULL AND a > 5)")
	d.want("SELECT COL_NAME(object_id, column_id), key_ordinal, is_descending_key, is_included_column FROM sys.index_columns WHERE index_id = 2 ORDER BY index_column_id",
		"b|1|1|0\nc|2|0|0\nd|0|0|1")
	d.fails("CREATE INDEX ix_b ON t (a)", 1913)
	d.fails("CREATE INDEX ix ON t (nothing)", 1911)
	d.fails("CREATE INDEX ix ON t (a, a)", 1909)
	d.fails("CREATE INDEX ix ON t (d)", 1919)
	d.fails("CREATE INDEX ix ON nothing (d)", 1088)
	d.fails("CREATE CLUSTERED INDEX ix ON t (c)", 1902, "ix_a")
	d.fails("CREATE INDEX ix ON t (b) WHERE b = 'x'", 40514)
	d.fails("DROP INDEX nothing ON t", 3701, "index")
	d.ok("DROP INDEX IF EXISTS nothing ON t; ALTER INDEX ALL ON t REBUILD; ALTER INDEX ix_f ON t DISABLE; INSERT t (a, c) VALUES (9, 9)")
	d.fails("ALTER INDEX ix_f ON t REBUILD", 1505)
	d.ok("DROP INDEX ix_b ON t, ix_a ON t")
	d.ok("CREATE TABLE k (a int CONSTRAINT UQ UNIQUE)")
	d.fails("DROP INDEX UQ ON k", 3723, "UNIQUE KEY")
}

func TestModules(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok(sample)
	d.ok("CREATE VIEW londoners AS SELECT id, name FROM customers WHERE city = 'London'")
	d.want("SELECT l.name FROM londoners AS l ORDER BY l.id", "Ada\nБарбара")
	d.ok("CREATE VIEW v2 (n, total) AS SELECT c.name, SUM(o.amount) FROM customers c JOIN orders o ON o.customer = c.id GROUP BY c.name")
	d.want("SELECT v2.total FROM v2 JOIN londoners l ON l.name = v2.n", "30.50")
	d.fails("CREATE VIEW v2 AS SELECT 1 AS a", 2714)
	d.fails("CREATE VIEW v3 AS SELECT 1", 4511)
	d.fails("CREATE VIEW v3 AS SELECT x FROM customers", 207)
	d.fails("CREATE VIEW v3 AS SELECT id FROM customers ORDER BY id", 1033)
	d.ok("ALTER VIEW londoners AS SELECT id AS x FROM customers WHERE id = 2")
	d.want("SELECT * FROM londoners", "2")
	d.ok("CREATE OR ALTER VIEW londoners AS SELECT 'o' AS y")
	d.want("SELECT * FROM dbo.londoners", "o")
	d.want("SELECT OBJECT_DEFINITION(OBJECT_ID('londoners'))", "CREATE OR ALTER VIEW londoners AS SELECT 'o' AS y")
	d.fails("INSERT londoners VALUES (1)", 40514)
	d.ok("DROP VIEW londoners")
	d.fails("DROP VIEW v2, londoners", 3701, "view", "londoners")
	d.want("SELECT COUNT(*) FROM v2", "2")
	d.fails("DROP TABLE v2", 3705)
	d.ok("CREATE PROCEDURE p1 @a int AS SELECT @a")
	d.want("SELECT name, type_desc FROM sys.procedures", "p1|SQL_STORED_PROCEDURE")
	d.fails("CREATE PROC p1 AS SELECT 1", 2714)
	d.fails("ALTER PROC p2 AS SELECT 1", 208)
	d.ok("ALTER PROC p1 AS SELECT 2")
	d.want("SELECT definition FROM sys.sql_modules WHERE object_id = OBJECT_ID('p1')", "ALTER PROC p1 AS SELECT 2")
	d.ok("DROP PROCEDURE p1")
	d.ok("CREATE VIEW deep AS SELECT 1 AS a")
}

func TestSchemas(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok("CREATE SCHEMA sales; CREATE TABLE sales.t (a int CONSTRAINT CK_t CHECK (a > 0)); INSERT sales.t VALUES (1); CREATE TABLE t (a int)")
	d.want("SELECT COUNT(*) FROM t", "0")
	d.want("SELECT COUNT(*) FROM sales.t", "1")
	d.want("SELECT SCHEMA_NAME(schema_id) FROM sys.tables ORDER BY 1", "dbo\nsales")
	d.fails("CREATE SCHEMA SALES", 2714)
	d.fails("DROP SCHEMA sales", 3729)
	d.fails("ALTER SCHEMA dbo TRANSFER sales.t", 15530)
	d.ok("CREATE SCHEMA x; ALTER SCHEMA x TRANSFER sales.t; DROP SCHEMA sales")
	d.want("SELECT a FROM x.t", "1")
	d.fails("INSERT x.t VALUES (0)", 547, "CK_t")
	d.want("SELECT name FROM sys.check_constraints WHERE schema_id = SCHEMA_ID('x')", "CK_t")
	d.fails("DROP SCHEMA dbo", 15151)
	d.ok("DROP SCHEMA IF EXISTS nothing")
}

// Nothing of a name reaches SQLite, so any name will do.
func TestNamesOfAnySpelling(t *testing.T) {
	t.Parallel()
	d := open(t)
	for _, name := range []string{"]]'; DROP TABLE x; --", `"quoted"`, "a b.c", "таблица", "名前", "é\u0301", "sys_object", "t_101", "select", "\U0001F600", "x'y''z"} {
		q := "[" + strings.ReplaceAll(name, "]", "]]") + "]"
		lit := "N'" + strings.ReplaceAll(name, "'", "''") + "'"
		d.ok("CREATE SCHEMA " + q)
		d.ok("CREATE TABLE " + q + "." + q + " (" + q + " int NOT NULL CONSTRAINT " + strings.Replace(q, "[", "[PK", 1) + " PRIMARY KEY, [" + "v] nvarchar(50) DEFAULT " + lit + ")")
		d.ok("INSERT " + q + "." + q + " (" + q + ") VALUES (1)")
		d.want("SELECT x."+q+", v FROM "+q+"."+q+" AS x ORDER BY "+q, "1|"+name)
		d.want("SELECT name FROM sys.tables WHERE name = "+lit, name)
		d.fails("INSERT "+q+"."+q+" ("+q+") VALUES (1)", 2627, name)
		d.ok("UPDATE " + q + "." + q + " SET v = " + lit + " + v; CREATE INDEX " + q + " ON " + q + "." + q + " (v)")
		d.ok("ALTER TABLE " + q + "." + q + " ADD " + strings.Replace(q, "[", "[2", 1) + " int NULL")
		d.ok("CREATE VIEW " + q + "." + strings.Replace(q, "[", "[v", 1) + " AS SELECT " + q + " FROM " + q + "." + q)
		d.want("SELECT "+q+" FROM "+q+"."+strings.Replace(q, "[", "[v", 1), "1")
	}
	st, err := d.conn.Stmt("SELECT name FROM main.sqlite_schema WHERE name NOT GLOB 't_[0-9]*' AND name NOT GLOB 'i_[0-9]*' AND name NOT GLOB 'sys_*' AND name NOT GLOB 'sqlite_*'")
	must(t, err)
	for st.Step() {
		t.Errorf("SQLite knows the name %q", st.ColumnText(0))
	}
	st.Reset()
}

func TestConstraintNames(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok("CREATE TABLE orderdetails (id int PRIMARY KEY, quantity int DEFAULT 0 CHECK (quantity >= 0), code varchar(5) UNIQUE, parent int REFERENCES orderdetails, CHECK (id > 0))")
	r, err := d.exec("SELECT name FROM sys.objects WHERE parent_object_id <> 0 ORDER BY type, name")
	must(t, err)
	var got []string
	for _, row := range r.rows {
		name := row[0].S
		i := strings.LastIndex(name, "__")
		for _, c := range name[i+2:] {
			if !strings.ContainsRune("0123456789ABCDEF", c) {
				t.Errorf("%s does not end in hexadecimal digits", name)
			}
		}
		got = append(got, name[:i]+"/"+string(rune('0'+len(name[i+2:])/8)))
	}
	want := "CK__orderdeta/1 CK__orderdeta__quant/1 DF__orderdeta__quant/1 FK__orderdeta__paren/1 PK__orderdet/2 UQ__orderdet/2"
	if strings.Join(got, " ") != want {
		t.Errorf("names %v, want %s", got, want)
	}
	d.want("SELECT COUNT(*) FROM sys.key_constraints WHERE is_system_named = 1", "2")
}

func TestCatalogViews(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok(sample)
	d.want("SELECT name, type, type_desc FROM sys.objects WHERE parent_object_id = 0 ORDER BY name", "customers|U |USER_TABLE\norders|U |USER_TABLE")
	d.want("SELECT t.name, p.rows FROM sys.tables t JOIN sys.partitions p ON p.object_id = t.object_id AND p.index_id IN (0, 1) ORDER BY t.name", "customers|4\norders|4")
	d.want("SELECT c.name, t.name, c.max_length, c.precision, c.scale, c.is_nullable, c.is_identity FROM sys.columns c JOIN sys.types t ON t.user_type_id = c.user_type_id WHERE c.object_id = OBJECT_ID('dbo.orders') ORDER BY c.column_id",
		"id|int|4|10|0|0|1\ncustomer|int|4|10|0|1|0\namount|decimal|9|10|2|0|0\nplaced|datetime2|6|19|0|1|0")
	d.want("SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, IS_NULLABLE FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = 'customers' ORDER BY ORDINAL_POSITION",
		"id|int|NULL|NO\nname|nvarchar|40|NO\ncity|varchar|20|YES\nborn|date|NULL|YES")
	d.want("SELECT TABLE_CATALOG, TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM INFORMATION_SCHEMA.TABLES ORDER BY 3", "db1|dbo|customers|BASE TABLE\ndb1|dbo|orders|BASE TABLE")
	d.want("SELECT CONSTRAINT_NAME, COLUMN_NAME FROM INFORMATION_SCHEMA.KEY_COLUMN_USAGE WHERE TABLE_NAME = 'orders'", "PK_orders|id")
	d.want("SELECT seed_value, increment_value, last_value FROM sys.identity_columns", "1|1|4")
	d.want("SELECT name FROM sysobjects WHERE xtype = 'U' ORDER BY name", "customers\norders")
	d.want("SELECT name FROM sys.schemas WHERE schema_id < 5 ORDER BY schema_id", "dbo\nguest\nINFORMATION_SCHEMA\nsys")
	d.want("SELECT severity FROM sys.messages WHERE message_id = 2627", "14")
	d.want("SELECT OBJECT_NAME(OBJECT_ID('orders')), COL_LENGTH('customers', 'name'), OBJECT_ID('nothing'), OBJECT_ID('orders', 'V'), COL_NAME(OBJECT_ID('orders'), 3)", "orders|80|NULL|NULL|amount")
	d.want("SELECT OBJECTPROPERTY(OBJECT_ID('orders'), 'TableHasIdentity'), COLUMNPROPERTY(OBJECT_ID('orders'), 'id', 'IsIdentity'), TYPE_NAME(56), SCHEMA_ID('dbo')", "1|1|int|1")
	d.want("SELECT OBJECT_ID('[dbo].[orders]') - OBJECT_ID('db1..orders')", "0")
	d.ok("CREATE TABLE f (id int PRIMARY KEY, o int CONSTRAINT FK_f REFERENCES orders ON DELETE CASCADE, d int CONSTRAINT DF_f DEFAULT 5, c AS d + 1)")
	d.want("SELECT k.name, OBJECT_NAME(k.referenced_object_id), k.delete_referential_action_desc, COL_NAME(c.parent_object_id, c.parent_column_id) FROM sys.foreign_keys k JOIN sys.foreign_key_columns c ON c.constraint_object_id = k.object_id",
		"FK_f|orders|CASCADE|o")
	d.want("SELECT name, definition FROM sys.default_constraints", "DF_f|((5))")
	d.want("SELECT name, definition, is_persisted FROM sys.computed_columns", "c|(d + 1)|0")
	d.want("SELECT UNIQUE_CONSTRAINT_NAME, DELETE_RULE FROM INFORMATION_SCHEMA.REFERENTIAL_CONSTRAINTS", "PK_orders|CASCADE")
	for _, v := range []string{"all_objects", "all_columns", "views", "synonyms", "triggers", "parameters", "stats", "assemblies", "data_spaces", "filegroups",
		"extended_properties", "database_principals", "database_role_members", "all_sql_modules", "sysindexes", "syscolumns"} {
		d.ok("SELECT * FROM sys." + v)
	}
	for _, v := range []string{"VIEWS", "SCHEMATA", "TABLE_CONSTRAINTS", "CONSTRAINT_COLUMN_USAGE", "CHECK_CONSTRAINTS", "ROUTINES"} {
		d.ok("SELECT * FROM INFORMATION_SCHEMA." + v)
	}
}

// Each definition gives the schema a new version, and two databases never share one.
func TestSchemaVersions(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for range 2 {
		d := open(t)
		for _, text := range []string{"", "CREATE TABLE t (a int IDENTITY)", "ALTER TABLE t ADD b int", "CREATE INDEX i ON t (b)", "TRUNCATE TABLE t", "DROP TABLE t"} {
			if text != "" {
				d.ok(text)
			}
			v, err := catalog.Version(d.conn, "")
			must(t, err)
			if was, ok := seen[v]; ok {
				t.Errorf("version %s after %q and %q", v, text, was)
			}
			seen[v] = text
		}
	}
}
