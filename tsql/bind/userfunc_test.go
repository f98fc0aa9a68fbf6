package bind_test

import "testing"

func TestUserFunctions(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok(sample)
	d.ok("CREATE FUNCTION dbo.twice (@x int, @y decimal(10,2) = 1) RETURNS decimal(12,3) AS BEGIN RETURN @x * 2 + @y END")
	d.want("SELECT dbo.twice(id, 0.5), dbo.twice(1, DEFAULT) FROM customers WHERE dbo.twice(id, 0) > 4 ORDER BY id", "6.500|3.000\n8.500|3.000")
	d.ok("CREATE FUNCTION dbo.countof (@c int) RETURNS int AS BEGIN RETURN (SELECT COUNT(*) FROM orders WHERE customer = @c) END")
	d.want("SELECT id, dbo.countof(id) FROM customers ORDER BY id", "1|2\n2|1\n3|0\n4|0")
	d.ok("CREATE FUNCTION dbo.over_ (@min decimal(10,2)) RETURNS TABLE AS RETURN (SELECT id, amount FROM orders WHERE amount >= @min)")
	d.want("SELECT o.id FROM dbo.over_(10) AS o ORDER BY o.id", "1\n2")
	d.want("DECLARE @m int = 6 SELECT c.name, o.amount FROM customers c JOIN dbo.over_(@m) o ON o.id = c.id ORDER BY 1", "Ada|10.50\nGrace|20.00")
	d.ok("CREATE FUNCTION dbo.long_ (@x int) RETURNS int AS BEGIN DECLARE @y int = @x; RETURN @y END")
	d.fails("SELECT dbo.long_(1)", 40514, "dbo.long_")
	d.fails("SELECT dbo.twice(1)", 313, "dbo.twice")
	d.fails("SELECT dbo.twice(1, 2, 3)", 8144)
	d.fails("SELECT dbo.nothing(1)", 4121)
	d.want("SELECT name, type_desc FROM sys.objects WHERE type IN ('FN', 'IF') ORDER BY name", "countof|SQL_SCALAR_FUNCTION\nlong_|SQL_SCALAR_FUNCTION\nover_|SQL_INLINE_TABLE_VALUED_FUNCTION\ntwice|SQL_SCALAR_FUNCTION")
}
