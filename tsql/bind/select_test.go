package bind_test

import "testing"

// sample is a small schema that most tests share.
const sample = `
CREATE TABLE customers (id int NOT NULL PRIMARY KEY, name nvarchar(40) NOT NULL, city varchar(20) NULL, born date NULL);
CREATE TABLE orders (id int IDENTITY(1,1) NOT NULL CONSTRAINT PK_orders PRIMARY KEY, customer int NULL, amount decimal(10,2) NOT NULL, placed datetime2(0) NULL);
INSERT INTO customers VALUES (1, N'Ada', 'London', '1815-12-10'), (2, N'Grace', 'New York', '1906-12-09'), (3, N'edsger', NULL, '1930-05-11'), (4, N'Барбара', 'London', NULL);
INSERT INTO orders (customer, amount, placed) VALUES (1, 10.50, '2026-01-01T10:00:00'), (1, 20, '2026-01-02'), (2, 5.25, NULL), (NULL, 1, NULL);`

func TestSelect(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok(sample)
	d.want("SELECT 1", "1")
	d.want("SELECT 1 + 2 * 3 AS x, 'a' + 'b', N'ü'", "7|ab|ü")
	d.want("SELECT @@SERVERNAME", "sqlserver1")
	d.want("SELECT name FROM customers WHERE id = 2", "Grace")
	d.want("SELECT NAME FROM Customers WHERE NAME = 'EDSGER  '", "edsger")
	d.want("SELECT c.name, o.amount FROM customers c JOIN orders AS o ON o.customer = c.id ORDER BY o.amount DESC", "Ada|20.00\nAda|10.50\nGrace|5.25")
	d.want("SELECT c.name, o.amount FROM customers c LEFT JOIN orders o ON o.customer = c.id ORDER BY c.id, o.id", "Ada|10.50\nAda|20.00\nGrace|5.25\nedsger|NULL\nБарбара|NULL")
	d.want("SELECT c.name, o.id FROM customers c RIGHT JOIN orders o ON o.customer = c.id ORDER BY o.id", "Ada|1\nAda|2\nGrace|3\nNULL|4")
	d.want("SELECT c.id, o.id FROM customers c FULL OUTER JOIN orders o ON o.customer = c.id ORDER BY c.id, o.id", "NULL|4\n1|1\n1|2\n2|3\n3|NULL\n4|NULL")
	d.want("SELECT COUNT(*) FROM customers, orders", "16")
	d.want("SELECT COUNT(*) FROM customers CROSS JOIN orders WHERE city IS NULL", "4")
	d.want("SELECT c.id FROM customers c LEFT JOIN (orders o JOIN customers x ON x.id = o.customer) ON o.customer = c.id WHERE o.id IS NULL ORDER BY 1", "3\n4")
	d.want("SELECT city, COUNT(*) n FROM customers GROUP BY city ORDER BY n DESC, city", "London|2\nNULL|1\nNew York|1")
	d.want("SELECT customer, SUM(amount) FROM orders WHERE customer IS NOT NULL GROUP BY customer HAVING SUM(amount) > 6", "1|30.50")
	d.want("SELECT YEAR(placed), COUNT(*) FROM orders GROUP BY YEAR(placed) ORDER BY YEAR(placed)", "NULL|2\n2026|2")
	d.want("SELECT customer + 1, MAX(amount) FROM orders GROUP BY customer + 1 ORDER BY customer + 1", "NULL|1.00\n2|20.00\n3|5.25")
	d.want("SELECT DISTINCT city FROM customers ORDER BY city", "NULL\nLondon\nNew York")
	d.want("SELECT TOP 2 id FROM customers ORDER BY id DESC", "4\n3")
	d.want("DECLARE @n int = 1 SELECT TOP (@n) id FROM customers ORDER BY id", "1")
	d.want("SELECT TOP 50 PERCENT id FROM customers ORDER BY id", "1\n2")
	d.want("SELECT TOP 1 WITH TIES city FROM customers WHERE city IS NOT NULL ORDER BY city", "London\nLondon")
	d.want("SELECT id FROM customers ORDER BY id OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY", "2\n3")
	d.want("SELECT id AS x FROM customers WHERE id < 3 UNION ALL SELECT 9 UNION SELECT 1 ORDER BY x DESC", "9\n2\n1")
	d.want("SELECT id FROM customers EXCEPT SELECT customer FROM orders ORDER BY id", "3\n4")
	d.want("SELECT id FROM customers INTERSECT SELECT customer FROM orders ORDER BY 1", "1\n2")
	d.want("SELECT name FROM customers WHERE id IN (SELECT customer FROM orders) ORDER BY name", "Ada\nGrace")
	d.want("SELECT name FROM customers c WHERE NOT EXISTS (SELECT * FROM orders o WHERE o.customer = c.id) ORDER BY id", "edsger\nБарбара")
	d.want("SELECT COUNT(*) FROM customers WHERE id NOT IN (SELECT customer FROM orders)", "0")
	d.want("SELECT name, (SELECT COUNT(*) FROM orders o WHERE o.customer = c.id) FROM customers c ORDER BY id", "Ada|2\nGrace|1\nedsger|0\nБарбара|0")
	d.want("SELECT id FROM customers WHERE id >= ALL (SELECT id FROM customers)", "4")
	d.want("SELECT id FROM customers WHERE id > ANY (SELECT customer FROM orders WHERE customer IS NOT NULL) ORDER BY id", "2\n3\n4")
	d.want("SELECT id FROM customers WHERE id > ALL (SELECT customer FROM orders)", "")
	d.want("SELECT x.n FROM (SELECT COUNT(*) AS n FROM orders) AS x", "4")
	d.want("SELECT v.a, v.b FROM (VALUES (1, 'x'), (2, N'yy')) AS v(a, b) ORDER BY a", "1|x\n2|yy")
	d.want("SELECT id, CASE WHEN city = 'London' THEN 1 WHEN city IS NULL THEN 2.5 ELSE 3 END FROM customers ORDER BY id", "1|1.0\n2|3.0\n3|2.5\n4|1.0")
	d.want("SELECT IIF(1 = 2, 'yes', 'no'), COALESCE(NULL, 2, 3), NULLIF(1, 1), ISNULL(NULL, 'z')", "no|2|NULL|z")
	d.want("SELECT name FROM customers WHERE name LIKE '[a-f]%' ORDER BY name", "Ada\nedsger")
	d.want("SELECT id FROM customers WHERE born BETWEEN '1900-01-01' AND '1950-01-01' ORDER BY id", "2\n3")
	d.want("SELECT ROW_NUMBER() OVER (ORDER BY amount DESC) AS r, amount FROM orders ORDER BY r", "1|20.00\n2|10.50\n3|5.25\n4|1.00")
	d.want("SELECT id, SUM(amount) OVER (PARTITION BY customer ORDER BY id) FROM orders ORDER BY id", "1|10.50\n2|30.50\n3|5.25\n4|1.00")
	d.want("SELECT id, RANK() OVER (ORDER BY city), DENSE_RANK() OVER (ORDER BY city), COUNT(*) OVER () FROM customers ORDER BY id", "1|2|2|4\n2|4|3|4\n3|1|1|4\n4|2|2|4")
	d.want("SELECT id, LAG(amount, 1, 0) OVER (ORDER BY id) FROM orders ORDER BY id", "1|0.00\n2|10.50\n3|20.00\n4|5.25")
	d.want("SELECT c.* FROM customers c WHERE id = 3", "3|edsger|NULL|1930-05-11")
	d.want("SELECT dbo.customers.id FROM dbo.customers WHERE customers.id = 1", "1")
	d.want("SELECT STRING_AGG(name, ',') WITHIN GROUP (ORDER BY id DESC) FROM customers WHERE id < 4", "edsger,Grace,Ada")
	d.want("SELECT value FROM STRING_SPLIT('a,b,,c', ',')", "a\nb\n\nc")
	d.want("SELECT value FROM GENERATE_SERIES(1, 3)", "1\n2\n3")
}

func TestCommonTableExpressions(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok(sample)
	d.want("WITH t AS (SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer) SELECT c.name, t.total FROM t JOIN customers c ON c.id = t.customer ORDER BY 1", "Ada|30.50\nGrace|5.25")
	d.want("WITH a(x) AS (SELECT 1), b AS (SELECT x + 1 AS y FROM a) SELECT x, y FROM a CROSS JOIN b", "1|2")
	d.want("WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT SUM(i), COUNT(*) FROM n", "15|5")
	d.want("WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 200) SELECT MAX(i) FROM n OPTION (MAXRECURSION 0)", "200")
	d.fails("WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n", 530, "maximum recursion 100")
	d.fails("WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n OPTION (MAXRECURSION 7)", 530, "7")
	d.fails("WITH n AS (SELECT 1) SELECT * FROM n", 8155)
	d.ok("CREATE TABLE numbers (i int); WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 200) INSERT numbers SELECT i FROM n OPTION (MAXRECURSION 0)")
	d.want("SELECT COUNT(*) FROM numbers", "200")
	d.ok("CREATE TABLE tree (id int PRIMARY KEY, parent int, name varchar(10)); INSERT tree VALUES (1, NULL, 'root'), (2, 1, 'a'), (3, 1, 'b'), (4, 2, 'aa')")
	d.want(`WITH t AS (SELECT id, 0 AS depth, CAST(name AS varchar(100)) AS path FROM tree WHERE parent IS NULL
		UNION ALL SELECT c.id, t.depth + 1, CAST(t.path + '/' + c.name AS varchar(100)) FROM tree c JOIN t ON c.parent = t.id)
		SELECT id, depth, path FROM t ORDER BY path`, "1|0|root\n2|1|root/a\n4|2|root/a/aa\n3|1|root/b")
}

func TestApply(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok(sample)
	d.want("SELECT c.id, o.amount FROM customers c CROSS APPLY (SELECT amount FROM orders WHERE customer = c.id) o ORDER BY o.amount", "2|5.25\n1|10.50\n1|20.00")
	d.want("SELECT c.id, o.amount FROM customers c OUTER APPLY (SELECT amount FROM orders WHERE customer = c.id) o ORDER BY c.id, o.amount", "1|10.50\n1|20.00\n2|5.25\n3|NULL\n4|NULL")
	d.want("SELECT c.id, o.id, o.amount FROM customers c CROSS APPLY (SELECT TOP 1 id, amount FROM orders WHERE customer = c.id ORDER BY amount DESC) o ORDER BY c.id", "1|2|20.00\n2|3|5.25")
	d.want("SELECT c.id, o.n FROM customers c CROSS APPLY (SELECT COUNT(*) AS n FROM orders WHERE customer = c.id) o ORDER BY c.id", "1|2\n2|1\n3|0\n4|0")
	d.want("SELECT c.id, v.x FROM customers c CROSS APPLY (VALUES (c.id * 10), (c.id * 100)) v(x) WHERE c.id < 3 ORDER BY v.x", "1|10\n2|20\n1|100\n2|200")
	d.want("SELECT c.id, v.up FROM customers c CROSS APPLY (SELECT UPPER(c.name) AS up) v WHERE c.id = 1", "1|ADA")
	d.want("SELECT c.id, s.value FROM customers c CROSS APPLY STRING_SPLIT(c.city, ' ') s WHERE c.id = 2", "2|New\n2|York")
}

func TestQueryErrors(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok(sample)
	d.fails("SELECT * FROM nothing", 208, "nothing")
	d.fails("SELECT * FROM dbo.nothing", 208, "dbo.nothing")
	d.fails("SELECT nothing FROM customers", 207, "nothing")
	d.fails("SELECT x.id FROM customers c", 4104, "x.id")
	d.fails("SELECT id FROM customers c JOIN orders o ON o.customer = c.id", 209, "id")
	d.fails("SELECT @nothing", 137, "@nothing")
	d.fails("SELECT name, COUNT(*) FROM customers", 8120, "customers.name")
	d.fails("SELECT city FROM customers GROUP BY city HAVING name = 'x'", 8121)
	d.fails("SELECT city FROM customers GROUP BY city ORDER BY name", 8127)
	d.fails("SELECT * FROM customers WHERE COUNT(*) > 1", 147)
	d.fails("SELECT SUM(COUNT(*)) FROM customers", 130)
	d.fails("SELECT id FROM customers WHERE ROW_NUMBER() OVER (ORDER BY id) = 1", 4108)
	d.fails("SELECT DISTINCT city FROM customers ORDER BY name", 145)
	d.fails("SELECT id FROM customers UNION SELECT id, name FROM customers", 205)
	d.fails("SELECT id FROM customers UNION SELECT id FROM orders ORDER BY id + 1", 104)
	d.fails("SELECT id FROM customers ORDER BY 3", 108)
	d.fails("SELECT (SELECT id, name FROM customers)", 116)
	d.fails("SELECT (SELECT id FROM customers)", 512)
	d.fails("SELECT x.* FROM customers", 107, "x")
	d.fails("SELECT *", 263)
	d.fails("SELECT nosuch(1)", 195, "nosuch")
	d.fails("SELECT dbo.nosuch(1)", 4121)
	d.fails("SELECT 1 FROM customers, customers", 1013)
	d.fails("SELECT 1 FROM customers a, orders a", 1011)
	d.fails("SELECT * FROM (SELECT id FROM customers ORDER BY id) x", 1033)
	d.fails("SELECT * FROM (SELECT 1) x", 8155)
	d.fails("SELECT * FROM (SELECT 1 AS a, 2 AS a) x", 8156)
	d.fails("DECLARE @n int = -1 SELECT TOP (@n) id FROM customers", 127)
	d.fails("DECLARE @n int SELECT TOP (@n) id FROM customers", 1060)
	d.fails("SELECT 2147483647 + 1", 8115)
	d.fails("SELECT 1 / 0", 8134)
	d.fails("SELECT CAST('x' AS int)", 245, "'x'")
	d.fails("SELECT a = 1, @x = 2", 137)
	d.fails("DECLARE @x int SELECT a = 1, @x = 2", 141)
	d.fails("SELECT id FROM customers GROUP BY id WITH ROLLUP", 40514)
	d.fails("SELECT * FROM server.db.dbo.t", 40514, "server")
	d.fails("SELECT * FROM OPENJSON('[]')", 40514, "OPENJSON")
}

func TestErrorLine(t *testing.T) {
	t.Parallel()
	d := open(t)
	_, err := d.exec("\n\nSELECT 1,\n nothing")
	if got := err.Error(); got != "Msg 207, Level 16, State 1, Line 4: Invalid column name 'nothing'." {
		t.Error(got)
	}
	_, err = d.exec("\nSELECT\n 1 / 0")
	if got := err.Error(); got != "Msg 8134, Level 16, State 1, Line 2: Divide by zero error encountered." {
		t.Error(got)
	}
}

func TestAssign(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok(sample)
	d.want("DECLARE @a int, @b nvarchar(10) SELECT @a = id, @b = name FROM customers WHERE id = 2 SELECT @a, @b", "2|Grace")
	d.want("DECLARE @a int = 7 SELECT @a = id FROM customers WHERE id = 99 SELECT @a", "7")
	d.want("DECLARE @s nvarchar(max) = N'' SELECT @s = @s + name + N';' FROM customers ORDER BY id SELECT @s", "Ada;Grace;edsger;Барбара;")
	d.want("DECLARE @n int = 0 SELECT @n += id FROM customers SELECT @n", "10")
	d.want("DECLARE @s varchar(3) SELECT @s = 'abcdef' SELECT @s", "abc")
	d.want("DECLARE @a int = 1, @b int SELECT @a = 5, @b = @a + 1 SELECT @a", "5")
}
