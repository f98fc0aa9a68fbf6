package bind_test

import (
	"testing"

	"linkspan/sqltype"
)

func TestInsert(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok("CREATE TABLE t (id int IDENTITY(10,5) PRIMARY KEY, a int NULL DEFAULT 7, b varchar(5) NOT NULL CONSTRAINT DF_b DEFAULT ('x'), c AS a * 2, p AS a + 1 PERSISTED)")
	d.ok("INSERT t DEFAULT VALUES; INSERT INTO t (a) VALUES (1); INSERT t (b, a) VALUES ('yy', DEFAULT), ('zz', NULL)")
	d.want("SELECT id, a, b, c, p FROM t ORDER BY id", "10|7|x|14|8\n15|1|x|2|2\n20|7|yy|14|8\n25|NULL|zz|NULL|NULL")
	d.ok("INSERT t (a, b) SELECT a + 100, b FROM t WHERE a IS NOT NULL ORDER BY id DESC")
	d.want("SELECT id, a FROM t WHERE id > 25 ORDER BY id", "30|107\n35|101\n40|107")
	if !d.last.HasIdentity {
		d.ok("INSERT t (a) VALUES (3)")
	}
	if d.last.Identity != 45 {
		t.Errorf("identity %d after the insertions", d.last.Identity)
	}
	d.want("INSERT t (a, b) OUTPUT inserted.id, inserted.b, inserted.c, inserted.p VALUES (4, 'o'), (5, 'p')", "50|o|8|5\n55|p|10|6")
	d.want("DECLARE @o TABLE (id int, a int) INSERT t (a) OUTPUT inserted.id, inserted.a INTO @o VALUES (8) SELECT * FROM @o", "60|8")
	d.fails("INSERT t VALUES (1)", 213)
	d.fails("INSERT t (a, b) VALUES (1)", 109)
	d.fails("INSERT t (a) VALUES (1, 2)", 110)
	d.fails("INSERT t (a, b) SELECT 1", 120)
	d.fails("INSERT t (a) SELECT 1, 2", 121)
	d.fails("INSERT t (a, a) VALUES (1, 2)", 264)
	d.fails("INSERT t (c) VALUES (1)", 271)
	d.fails("INSERT t (nothing) VALUES (1)", 207)
	d.fails("INSERT nothing VALUES (1)", 208)
	d.fails("INSERT t (id, a) VALUES (1, 2)", 544, "'t'")
	d.fails("INSERT t (b) VALUES (NULL)", 515, "column 'b', table 'db1.dbo.t'", "INSERT fails")
	d.fails("INSERT t (b) VALUES ('123456')", 2628, "table 'db1.dbo.t', column 'b'", "'12345'")
	d.fails("INSERT t (a) VALUES (3000000000)", 8115)
	d.fails("INSERT t (a) VALUES ('abc')", 245)
	d.fails("INSERT sys.objects (name) VALUES ('x')", 4405)
}

func TestIdentityInsert(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok("CREATE TABLE t (id int IDENTITY PRIMARY KEY, a int)")
	d.ok("SET IDENTITY_INSERT t ON; INSERT t (id, a) VALUES (100, 1)")
	d.fails("INSERT t (a) VALUES (1)", 545)
	d.fails("INSERT t VALUES (5, 1)", 8101)
	d.ok("SET IDENTITY_INSERT t OFF; INSERT t (a) VALUES (2)")
	d.want("SELECT id FROM t ORDER BY id", "100\n101")
	d.want("SELECT IDENT_CURRENT('t'), IDENT_SEED('t'), IDENT_INCR('t')", "101|1|1")
}

func TestIdentityGoesOn(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok("CREATE TABLE t (id int IDENTITY PRIMARY KEY, a int); INSERT t (a) VALUES (1), (2), (3); DELETE t WHERE id > 1; INSERT t (a) VALUES (4)")
	d.want("SELECT id FROM t ORDER BY id", "1\n4")
	// Another process, or the replica after a failover, knows only what is on disk.
	d.ok("DELETE t WHERE id = 4")
	d.ids.Reset()
	d.ok("INSERT t (a) VALUES (5)")
	d.want("SELECT id FROM t ORDER BY id", "1\n5")
	d.ids.Reset()
	d.want("SELECT IDENT_CURRENT('t')", "5")
	d.ok("INSERT t (a) VALUES (6)")
	d.ok("TRUNCATE TABLE t; INSERT t (a) VALUES (7)")
	d.want("SELECT id, a FROM t", "1|7")
	d.ok("CREATE TABLE small (id tinyint IDENTITY(254,1), a int); INSERT small (a) VALUES (1), (2)")
	d.fails("INSERT small (a) VALUES (3)", 8115, "IDENTITY", "tinyint")
	d.ok("CREATE TABLE down (id decimal(12,0) IDENTITY(0,-3), a int); INSERT down (a) VALUES (1), (2), (3)")
	d.want("SELECT id FROM down ORDER BY id", "-6\n-3\n0")
}

func TestKeys(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok("CREATE TABLE t (id int NOT NULL CONSTRAINT PK_t PRIMARY KEY, a int NULL, b nvarchar(10) NULL, CONSTRAINT UQ_ab UNIQUE (a, b))")
	d.ok("CREATE UNIQUE INDEX ix_b ON t (b)")
	d.ok("INSERT t VALUES (1, 1, N'one'), (2, NULL, N'two')")
	d.fails("INSERT t VALUES (1, 5, N'five')", 2627, "PRIMARY KEY constraint 'PK_t'", "object 'dbo.t'", "key value is (1)")
	d.fails("INSERT t VALUES (3, 2, N'ONE ')", 2601, "unique index 'ix_b'", "(ONE)")
	d.ok("INSERT t VALUES (3, 3, NULL)")
	d.fails("INSERT t VALUES (4, 4, NULL)", 2601, "ix_b", "(<NULL>)")
	d.ok("DROP INDEX ix_b ON t; INSERT t VALUES (4, 4, NULL)")
	d.fails("INSERT t VALUES (5, 4, NULL)", 2627, "UNIQUE KEY constraint 'UQ_ab'", "(4, <NULL>)")
	d.fails("INSERT t VALUES (5, 1, N'ONE ')", 2627, "UQ_ab", "(1, ONE)")
	d.fails("INSERT t VALUES (NULL, 1, N'x')", 515, "'id'")
	d.fails("DECLARE @n int INSERT t VALUES (@n, 1, N'x')", 515, "'id'")
	d.fails("INSERT t (id, b) SELECT id + 1, b FROM t ORDER BY id", 2627, "PK_t", "(2)")
	d.fails("INSERT t (id, a) VALUES (10, 10), (11, 11), (10, 12)", 2627, "(10)")
	d.want("SELECT COUNT(*) FROM t", "4")
	d.ok("UPDATE t SET id = id + 1")
	d.want("SELECT id FROM t ORDER BY id", "2\n3\n4\n5")
	d.ok("UPDATE t SET id = CASE id WHEN 2 THEN 3 WHEN 3 THEN 2 ELSE id END")
	d.want("SELECT id, b FROM t WHERE id < 4 ORDER BY id", "2|two\n3|one")
	d.fails("UPDATE t SET id = 3 WHERE id = 4", 2627, "PK_t", "(3)")
	d.fails("UPDATE t SET id = 1", 2627, "PK_t", "(1)")
	d.fails("UPDATE t SET id = NULL WHERE id = 2", 515, "UPDATE fails")
	d.want("SELECT id FROM t ORDER BY id", "2\n3\n4\n5")
	d.fails("CREATE UNIQUE INDEX ix_bb ON t (b)", 1505, "'dbo.t'", "'ix_bb'", "(<NULL>)")
	d.ok("CREATE TABLE h (a int NOT NULL); INSERT h VALUES (1), (1)")
	d.fails("ALTER TABLE h ADD CONSTRAINT PK_h PRIMARY KEY (a)", 1505, "'PK_h'", "(1)")
	d.want("SELECT a FROM h", "1\n1")
}

func TestChecks(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok("CREATE TABLE t (id int PRIMARY KEY, a int CONSTRAINT CK_a CHECK (a > 0), b varchar(10), CONSTRAINT CK_ab CHECK (a < 100 OR b = 'big'))")
	d.ok("INSERT t VALUES (1, 5, 'x'), (2, NULL, NULL), (3, 500, 'BIG')")
	d.fails("INSERT t VALUES (4, 0, 'x')", 547, `INSERT statement conflicted with the CHECK constraint "CK_a"`, `database "db1", table "dbo.t", column 'a'`)
	d.fails("INSERT t VALUES (4, 101, 'x')", 547, "CK_ab")
	d.fails("INSERT t SELECT id + 10, a - 5, b FROM t", 547, "CK_a")
	d.fails("UPDATE t SET a = -1 WHERE id = 1", 547, "UPDATE", "CK_a")
	d.fails("UPDATE t SET b = 'small' WHERE id = 3", 547, "CK_ab")
	d.ok("ALTER TABLE t NOCHECK CONSTRAINT CK_a; INSERT t VALUES (9, -1, NULL)")
	d.fails("ALTER TABLE t WITH CHECK CHECK CONSTRAINT CK_a", 547, "ALTER TABLE")
	d.ok("ALTER TABLE t CHECK CONSTRAINT CK_a")
	d.fails("INSERT t VALUES (10, -1, NULL)", 547)
	d.ok("ALTER TABLE t DROP CONSTRAINT CK_a; INSERT t VALUES (10, -1, NULL)")
	d.fails("ALTER TABLE t ADD CONSTRAINT CK_c CHECK (a <> -1)", 547, "CK_c")
	d.ok("ALTER TABLE t WITH NOCHECK ADD CONSTRAINT CK_c CHECK (a <> -1)")
	d.fails("UPDATE t SET b = 'y' WHERE id = 10", 547, "CK_c")
	d.want("SELECT id FROM t ORDER BY id", "1\n2\n3\n9\n10")
}

func TestForeignKeys(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok(`CREATE TABLE p (id int PRIMARY KEY, name varchar(10));
		CREATE TABLE c (id int PRIMARY KEY, p int NULL CONSTRAINT FK_c REFERENCES p (id));
		CREATE TABLE k (id int PRIMARY KEY, p int NOT NULL CONSTRAINT FK_k FOREIGN KEY REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE);
		CREATE TABLE n (id int PRIMARY KEY, p int NULL REFERENCES p ON DELETE SET NULL);
		CREATE TABLE s (id int PRIMARY KEY, parent int NULL CONSTRAINT FK_s REFERENCES s (id));
		INSERT p VALUES (1, 'a'), (2, 'b'), (3, 'c'); INSERT c VALUES (1, 1), (2, NULL); INSERT k VALUES (1, 2), (2, 2); INSERT n VALUES (1, 3)`)
	d.fails("INSERT c VALUES (3, 9)", 547, `INSERT statement conflicted with the FOREIGN KEY constraint "FK_c"`, `table "dbo.p", column 'id'`)
	d.fails("UPDATE c SET p = 9 WHERE id = 1", 547, "UPDATE", "FK_c")
	d.fails("DELETE p WHERE id = 1", 547, `DELETE statement conflicted with the REFERENCE constraint "FK_c"`, `table "dbo.c", column 'p'`)
	d.fails("UPDATE p SET id = 10 WHERE id = 1", 547, "REFERENCE", "FK_c")
	d.fails("TRUNCATE TABLE p", 4712)
	d.fails("DROP TABLE p", 3726)
	d.ok("UPDATE p SET id = 20 WHERE id = 2")
	d.want("SELECT p FROM k", "20\n20")
	d.ok("DELETE p WHERE id IN (20, 3)")
	d.want("SELECT COUNT(*) FROM k", "0")
	d.want("SELECT id, p FROM n", "1|NULL")
	d.ok("INSERT s VALUES (2, 1), (1, NULL), (3, 3)")
	d.fails("INSERT s VALUES (4, 9)", 547, "FOREIGN KEY SAME TABLE", "FK_s")
	d.fails("DELETE s WHERE id = 1", 547, "SAME TABLE REFERENCE")
	d.ok("DELETE s")
	d.ok("ALTER TABLE c NOCHECK CONSTRAINT ALL; INSERT c VALUES (3, 9)")
	d.fails("ALTER TABLE c WITH CHECK CHECK CONSTRAINT FK_c", 547, "ALTER TABLE", "FK_c")
	d.fails("CREATE TABLE x (a varchar(5) REFERENCES p (id))", 1778)
	d.fails("CREATE TABLE x (a varchar(10) REFERENCES p (name))", 1776)
	d.fails("CREATE TABLE x (a int REFERENCES nowhere)", 1767)
	d.ok("ALTER TABLE c DROP CONSTRAINT FK_c; DROP TABLE k; ALTER TABLE n ADD CONSTRAINT FK_n2 FOREIGN KEY (p) REFERENCES p (id)")
	d.fails("INSERT n VALUES (5, 77)", 547)
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok(sample)
	d.ok("UPDATE customers SET city = 'Paris', born = NULL WHERE id = 1")
	d.want("SELECT city, born FROM customers WHERE id = 1", "Paris|NULL")
	d.ok("UPDATE c SET city = c.city + '!' FROM customers AS c JOIN orders o ON o.customer = c.id WHERE o.amount > 6")
	d.want("SELECT id, city FROM customers ORDER BY id", "1|Paris!\n2|New York\n3|NULL\n4|London")
	if d.ok("UPDATE c SET city = 'x' FROM customers c JOIN orders o ON o.customer = c.id WHERE c.id = 1"); d.last.Rows != 1 {
		t.Errorf("a row that two rows of the join match counts %d times", d.last.Rows)
	}
	d.ok("UPDATE orders SET amount += 1, customer = DEFAULT WHERE id = 4")
	d.want("SELECT amount, customer FROM orders WHERE id = 4", "2.00|NULL")
	d.want("UPDATE customers SET name = name + '2' OUTPUT deleted.name, inserted.name, inserted.id WHERE id = 2", "Grace|Grace2|2")
	d.want("DECLARE @l TABLE (a nvarchar(40), b nvarchar(40)) UPDATE TOP (1) customers SET name = 'z' OUTPUT deleted.name, inserted.name INTO @l WHERE id = 3 SELECT * FROM @l", "edsger|z")
	d.want("UPDATE customers SET city = (SELECT MAX(city) FROM customers) WHERE city IS NULL SELECT city FROM customers WHERE id = 3", "x")
	d.want("DECLARE @v int UPDATE orders SET @v = customer = 3 WHERE id = 1 SELECT @v, customer FROM orders WHERE id = 1", "3|3")
	d.ok("WITH w AS (SELECT id, amount, ROW_NUMBER() OVER (ORDER BY id) AS rn FROM orders) UPDATE w SET amount = 99 WHERE rn = 1")
	d.want("SELECT id, amount FROM orders WHERE amount = 99", "1|99.00")
	d.fails("UPDATE customers SET name = NULL WHERE id = 1", 515, "UPDATE fails")
	d.fails("UPDATE customers SET city = REPLICATE('x', 21)", 2628, "city")
	d.fails("UPDATE orders SET id = 1", 8102)
	d.fails("UPDATE customers SET nothing = 1", 207)
	d.fails("UPDATE customers SET name = 'a', name = 'b'", 264)
	d.fails("UPDATE orders SET amount = amount / 0", 8134)
	d.fails("UPDATE customers SET name = 'x' WHERE CURRENT OF c", 40514)
}

func TestDelete(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok(sample)
	d.want("DELETE FROM orders OUTPUT deleted.id, deleted.amount WHERE customer IS NULL", "4|1.00")
	d.ok("DELETE o FROM orders o JOIN customers c ON c.id = o.customer WHERE c.name = 'Grace'")
	d.want("SELECT id FROM orders ORDER BY id", "1\n2")
	d.ok("DELETE TOP (1) FROM orders")
	if d.last.Rows != 1 {
		t.Errorf("DELETE TOP (1) counts %d rows", d.last.Rows)
	}
	d.ok("CREATE TABLE dup (a int, b int); INSERT dup VALUES (1, 1), (1, 2), (2, 3), (1, 4)")
	d.ok("WITH w AS (SELECT *, ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) AS rn FROM dup) DELETE FROM w WHERE rn > 1")
	d.want("SELECT a, b FROM dup ORDER BY a", "1|1\n2|3")
	d.ok("DELETE customers")
	d.want("SELECT COUNT(*) FROM customers", "0")
}

// A statement that fails half way leaves nothing behind.
func TestStatementsAreAtomic(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok("CREATE TABLE src (a int); INSERT src VALUES (3), (2), (1), (0); CREATE TABLE h (a int NULL)")
	d.fails("INSERT h SELECT 6 / a FROM src", 8134)
	d.want("SELECT COUNT(*) FROM h", "0")
	d.fails("INSERT h VALUES (1), (2), (1/0)", 8134)
	d.want("SELECT COUNT(*) FROM h", "0")
	d.ok("INSERT h SELECT a FROM src")
	d.fails("UPDATE h SET a = 6 / a", 8134)
	d.want("SELECT SUM(a) FROM h", "6")
	d.fails("SELECT 6 / a AS q INTO made FROM src", 8134)
	d.fails("SELECT * FROM made", 208)
}

func TestInsertReadsItsOwnTable(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok("CREATE TABLE t (id int IDENTITY PRIMARY KEY, a int); INSERT t (a) VALUES (1), (2); INSERT t (a) SELECT a FROM t; INSERT t (a) SELECT a FROM t")
	d.want("SELECT COUNT(*), MAX(id) FROM t", "8|8")
}

func TestSelectInto(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok(sample)
	d.ok("SELECT id, name, amount = CAST(1.5 AS decimal(5,2)) INTO copy FROM customers WHERE id < 3")
	d.want("SELECT * FROM copy ORDER BY id", "1|Ada|1.50\n2|Grace|1.50")
	d.want("SELECT name, TYPE_NAME(system_type_id), max_length, is_nullable FROM sys.columns WHERE object_id = OBJECT_ID('copy') AND name <> 'amount' ORDER BY column_id", "id|int|4|0\nname|nvarchar|80|0")
	d.fails("SELECT 1 INTO t2", 1038)
	d.fails("SELECT id INTO copy FROM customers", 2714)
	d.ok("SELECT id, name INTO #tmp FROM customers")
	d.want("SELECT COUNT(*) FROM #tmp", "4")
	d.fails("SELECT * FROM #other", 208, "#other")
	d.ok("SELECT id INTO orders2 FROM orders; INSERT orders2 DEFAULT VALUES")
	d.want("SELECT MAX(id) FROM orders2", "5")
}

func TestTemporaryTables(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok("CREATE TABLE #t (id int IDENTITY PRIMARY KEY, name nvarchar(10) NOT NULL); INSERT #t (name) VALUES (N'a'), (N'b')")
	d.want("SELECT t.id, t.name FROM #t t ORDER BY id", "1|a\n2|b")
	d.fails("INSERT #t (name) VALUES (NULL)", 515, "tempdb.dbo.#t")
	d.ok("UPDATE #t SET name = N'c' WHERE id = 1; DELETE #t WHERE id = 2; CREATE INDEX i ON #t (name); TRUNCATE TABLE #t; DROP TABLE #t")
	d.fails("SELECT * FROM #t", 208)
	d.want("DECLARE @t TABLE (a int PRIMARY KEY, b varchar(3) DEFAULT 'q') INSERT @t (a) VALUES (1), (2) UPDATE @t SET b = 'r' WHERE a = 2 SELECT x.a, x.b FROM @t x ORDER BY a", "1|q\n2|r")
	d.fails("SELECT * FROM @nothing", 1087)
}

func TestValuesKeepTheirTypes(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok(`CREATE TABLE t (bi bit, ti tinyint, si smallint, i int, bg bigint, de decimal(10,3), dl decimal(38,10), mo money, re real, fl float, da date,
		tm time(3), sd smalldatetime, dt datetime, d2 datetime2(7), do datetimeoffset(2), ch char(4), vc varchar(10), nc nchar(4), nv nvarchar(max),
		bn binary(4), vb varbinary(max), ui uniqueidentifier)`)
	d.ok(`INSERT t VALUES (1, 255, -32768, 2147483647, -9223372036854775808, 12.3456, 12345678901234567890.123, 1.5, 1.5, 2.25, '2026-02-28',
		'23:59:59.999', '2026-02-28 12:34:00', '2026-02-28 12:34:56.123', '2026-02-28 12:34:56.1234567', '2026-02-28 12:34:56.12 +02:00', 'ab', 'ab', N'ü', N'€𝄞',
		0x01, 0xCAFE, '6F9619FF-8B86-D011-B42D-00C04FC964FF')`)
	r, err := d.exec("SELECT * FROM t")
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range r.columns {
		if v := r.rows[0][i]; v.K != c.Type.Kind || v.IsNull() {
			t.Errorf("column %s of type %v has a value of kind %v", c.Name, c.Type, v.K)
		}
	}
	if got := r.rows[0][16]; got.S != "ab  " {
		t.Errorf("char(4) holds %q", got.S)
	}
	if got := r.rows[0][20]; got.S != "\x01\x00\x00\x00" {
		t.Errorf("binary(4) holds %x", got.S)
	}
	if got := r.columns[6].Type; got != sqltype.DecimalType(38, 10) {
		t.Errorf("dl is %v", got)
	}
	d.want("SELECT bi, ti, si, i, bg, de, dl, mo, ui FROM t", "1|255|-32768|2147483647|-9223372036854775808|12.346|12345678901234567890.1230000000|1.5000|6F9619FF-8B86-D011-B42D-00C04FC964FF")
	d.want("SELECT COUNT(*) FROM t WHERE d2 = '2026-02-28 12:34:56.1234567' AND da = '20260228' AND ch = 'AB' AND vb = 0xCAFE AND ui = '6f9619ff-8b86-d011-b42d-00c04fc964ff'", "1")
}
