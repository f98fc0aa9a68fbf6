package bind_test

import "testing"

// Strings compare without case and without trailing blanks wherever they are compared: in keys, groups, sets and joins.
func TestStringsCompareByCollation(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok("CREATE TABLE t (k nvarchar(10) PRIMARY KEY, v char(6), b varchar(10) COLLATE Latin1_General_BIN2)")
	d.ok("INSERT t VALUES (N'Abc', 'x', 'B'), (N'def', 'X  ', 'b')")
	d.fails("INSERT t VALUES (N'ABC  ', 'y', 'c')", 2627, "(ABC)")
	d.want("SELECT COUNT(*) FROM t WHERE k = 'aBC ' AND k IN ('ABC', 'zzz') AND k BETWEEN 'ABB' AND 'abd'", "1")
	d.want("SELECT COUNT(DISTINCT v), COUNT(DISTINCT b) FROM t", "1|2")
	d.want("SELECT v, COUNT(*) FROM t GROUP BY v", "x     |2")
	d.want("SELECT COUNT(*) FROM (SELECT v FROM t UNION SELECT 'X') AS u", "1")
	d.want("SELECT COUNT(*) FROM (SELECT DISTINCT v FROM t) AS u", "1")
	d.want("SELECT a.k FROM t a JOIN (VALUES ('DEF')) AS x(k) ON x.k = a.k", "def")
	d.want("SELECT b FROM t ORDER BY b", "B\nb")
	d.want("SELECT k FROM t ORDER BY k DESC", "def\nAbc")
	d.want("SELECT COUNT(*) FROM t WHERE b = 'B'", "1")
	d.want("SELECT COUNT(*) FROM t WHERE k = 'abc' COLLATE Latin1_General_CS_AS", "0")
	d.want("SELECT k FROM t WHERE k LIKE 'A_C'", "Abc")
	d.want("SELECT MAX(v), MIN(b) FROM t WHERE v > 'W'", "x     |B")
	d.want("SELECT ROW_NUMBER() OVER (PARTITION BY v ORDER BY k) FROM t", "1\n2")
	d.want("SELECT k FROM t WHERE v IN (SELECT 'X')  ORDER BY 1", "Abc\ndef")
	d.fails("SELECT COUNT(*) FROM t WHERE k = b COLLATE NoSuch_Collation", 448)
}

func TestGrouping(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok(sample)
	d.want("SELECT COUNT(*) FROM customers HAVING COUNT(*) > 100", "")
	d.want("SELECT 1 FROM customers HAVING COUNT(*) > 1", "1")
	d.want("SELECT MAX(id), SUM(id), AVG(id) FROM customers WHERE 1 = 0", "NULL|NULL|NULL")
	d.want("SELECT COUNT(*) FROM customers WHERE 1 = 0 GROUP BY city", "")
	d.want("SELECT city, ROW_NUMBER() OVER (ORDER BY COUNT(*) DESC, city) AS r FROM customers GROUP BY city ORDER BY r", "London|1\nNULL|2\nNew York|3")
	d.want("SELECT city + '!', COUNT(*) FROM customers WHERE city IS NOT NULL GROUP BY city + '!' ORDER BY city + '!'", "London!|2\nNew York!|1")
	d.want("SELECT UPPER(city) AS u FROM customers GROUP BY city ORDER BY u", "NULL\nLONDON\nNEW YORK")
	d.want("SELECT c.city, (SELECT COUNT(*) FROM orders o WHERE o.customer = MIN(c.id)) FROM customers c WHERE c.city = 'London' GROUP BY c.city", "London|2")
	d.want("SELECT SUM(o.amount) FROM customers c LEFT JOIN orders o ON o.customer = c.id GROUP BY c.id ORDER BY c.id", "30.50\n5.25\nNULL\nNULL")
	d.want("SELECT COUNT(city), COUNT(*), COUNT(DISTINCT city) FROM customers", "3|4|2")
	d.want("SELECT customer, COUNT(*) FROM orders GROUP BY customer ORDER BY 2 DESC, 1", "1|2\nNULL|1\n2|1")
	d.want("SELECT SUM(CASE WHEN city = 'London' THEN 1 ELSE 0 END) FROM customers", "2")
	d.fails("SELECT city AS c FROM customers GROUP BY c", 207, "'c'")
	d.fails("SELECT (SELECT name) FROM customers GROUP BY city", 8120)
	d.fails("SELECT *, COUNT(*) FROM customers", 8120)
	d.fails("SELECT city FROM customers GROUP BY city, COUNT(*)", 144)
	d.fails("SELECT city FROM customers GROUP BY 1", 164)
	d.fails("SELECT id FROM customers ORDER BY MAX(id)", 8120)
	d.fails("DELETE FROM orders WHERE amount = (SELECT MAX(amount))", 147)
}

func TestOrder(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok(sample)
	d.want("SELECT id AS name, name AS id FROM customers WHERE id < 3 ORDER BY name DESC", "2|Grace\n1|Ada")
	d.want("SELECT id FROM customers ORDER BY CASE WHEN city IS NULL THEN 0 ELSE 1 END, id DESC", "3\n4\n2\n1")
	d.want("SELECT id FROM customers ORDER BY city, customers.id DESC", "3\n4\n1\n2")
	d.want("SELECT TOP 1 WITH TIES city, id FROM customers ORDER BY LEN(city) DESC", "New York|2")
	d.want("DECLARE @d bit = 1 SELECT id FROM customers ORDER BY IIF(@d = 1, -id, id)", "4\n3\n2\n1")
	d.fails("SELECT id AS x, name AS x FROM customers ORDER BY x", 209)
	d.fails("SELECT id FROM customers ORDER BY 'a'", 408)
	d.fails("SELECT id FROM customers UNION SELECT id FROM orders ORDER BY name", 207)
}

func TestJoinsNest(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok("CREATE TABLE a (x int); CREATE TABLE b (x int); CREATE TABLE c (x int); INSERT a VALUES (1), (2), (3); INSERT b VALUES (2), (3); INSERT c VALUES (3)")
	d.want("SELECT a.x, b.x, c.x FROM a LEFT JOIN b ON b.x = a.x LEFT JOIN c ON c.x = b.x ORDER BY 1", "1|NULL|NULL\n2|2|NULL\n3|3|3")
	d.want("SELECT a.x, b.x, c.x FROM a LEFT JOIN (b INNER JOIN c ON c.x = b.x) ON b.x = a.x ORDER BY 1", "1|NULL|NULL\n2|NULL|NULL\n3|3|3")
	d.want("SELECT a.x, b.x, c.x FROM a LEFT JOIN b INNER JOIN c ON c.x = b.x ON b.x = a.x ORDER BY 1", "1|NULL|NULL\n2|NULL|NULL\n3|3|3")
	d.want("SELECT a.x, c.x FROM a, b RIGHT JOIN c ON b.x = c.x WHERE a.x < 3 ORDER BY 1", "1|3\n2|3")
	d.want("SELECT COUNT(*) FROM a FULL JOIN c ON a.x = c.x AND c.x > 5", "4")
	d.want("SELECT COUNT(*) FROM a x, a y WHERE x.x < y.x", "3")
	d.want("SELECT a.x FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.x = a.x AND EXISTS (SELECT 1 FROM c WHERE c.x = a.x AND c.x = b.x))", "3")
	d.want("SELECT a.x, t.n FROM a JOIN (SELECT x, COUNT(*) AS n FROM b GROUP BY x) t ON t.x = a.x ORDER BY 1", "2|1\n3|1")
}

func TestChangesWithQueries(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok(sample)
	d.ok("WITH big AS (SELECT * FROM orders WHERE amount > 6) INSERT orders (customer, amount) SELECT customer, amount * 2 FROM big")
	d.want("SELECT amount FROM orders WHERE id > 4 ORDER BY id", "21.00\n40.00")
	d.ok("UPDATE c SET name = x.n FROM customers c JOIN (SELECT customer, CAST(COUNT(*) AS varchar(5)) AS n FROM orders GROUP BY customer) AS x ON x.customer = c.id")
	d.want("SELECT id, name FROM customers ORDER BY id", "1|4\n2|1\n3|edsger\n4|Барбара")
	d.ok("DELETE FROM orders WHERE amount = (SELECT MAX(amount) FROM orders)")
	d.want("SELECT MAX(amount) FROM orders", "21.00")
	d.ok("UPDATE customers SET born = '2000-02-29' WHERE EXISTS (SELECT 1 FROM orders WHERE customer = customers.id)")
	d.want("SELECT COUNT(*) FROM customers WHERE born = '20000229'", "2")
	d.ok("INSERT TOP (1) INTO orders (amount) SELECT amount FROM orders ORDER BY id")
	d.ok("WITH x AS (SELECT TOP 1 id FROM customers ORDER BY id DESC) DELETE FROM customers WHERE id IN (SELECT id FROM x)")
	d.want("SELECT MAX(id) FROM customers", "3")
	d.ok("DELETE c FROM customers AS c WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.customer = c.id)")
	d.want("SELECT COUNT(*) FROM customers", "2")
}

func TestKeysOfEveryKind(t *testing.T) {
	t.Parallel()
	d := open(t)
	for _, k := range []struct{ typ, a, b, shown string }{
		{"decimal(10,2)", "1.10", "1.100", "1.10"}, {"decimal(30,5)", "1.1", "1.10", "1.10000"}, {"float", "1.5", "15e-1", "1.5"},
		{"date", "'2026-01-02'", "'20260102'", "2026-01-02"}, {"datetime2(3)", "'2026-01-02 03:04:05.678'", "'2026-01-02T03:04:05.6781'", "2026-01-02 03:04:05.678"},
		{"uniqueidentifier", "'6F9619FF-8B86-D011-B42D-00C04FC964FF'", "'6f9619ff-8b86-d011-b42d-00c04fc964ff'", "6f9619ff-8b86-d011-b42d-00c04fc964ff"},
		{"varbinary(8)", "0x0102", "0x0102", "0x0102"}, {"bit", "1", "1", "1"}, {"bigint", "9223372036854775807", "9223372036854775807", "9223372036854775807"},
		{"money", "1.5", "1.50", "1.5000"},
		{"char(5)", "'a'", "'A '", "A"},
	} {
		d.ok("DROP TABLE IF EXISTS t; CREATE TABLE t (k " + k.typ + " NOT NULL, n int IDENTITY, CONSTRAINT PK PRIMARY KEY (k)); INSERT t (k) VALUES (" + k.a + ")")
		d.fails("INSERT t (k) VALUES ("+k.b+")", 2627, "("+k.shown+")")
		d.want("SELECT n FROM t WHERE k = "+k.b, "1")
	}
}

// What two copies of a row agree on when it is read through the other's types.
func TestViewsOverViews(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok("CREATE TABLE t (a int); INSERT t VALUES (1), (2)")
	d.ok("CREATE VIEW v0 AS SELECT a FROM t")
	for i := range 20 {
		n, m := string(rune('a'+i)), string(rune('a'+i-1))
		if i == 0 {
			m = "0"
		}
		d.ok("CREATE VIEW v" + n + " AS SELECT a FROM v" + m + " WHERE a > 0")
	}
	d.want("SELECT SUM(a) FROM vt", "3")
	d.ok("CREATE VIEW self AS SELECT 1 AS a")
	d.ok("ALTER VIEW self AS SELECT a FROM v0")
	d.ok("ALTER VIEW v0 AS SELECT a FROM self")
	d.fails("SELECT a FROM self", 217)
}
