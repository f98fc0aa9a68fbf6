package bind_test

import "testing"

func TestMerge(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok(`CREATE TABLE t (id int PRIMARY KEY, v varchar(10), n int IDENTITY, CONSTRAINT CK CHECK (v <> 'bad'));
		CREATE TABLE s (id int, v varchar(10)); INSERT t (id, v) VALUES (1, 'one'), (2, 'two'), (3, 'three'); INSERT s VALUES (2, 'TWO!'), (3, NULL), (4, 'four')`)
	d.want(`MERGE INTO t USING s ON t.id = s.id
		WHEN MATCHED AND s.v IS NULL THEN DELETE
		WHEN MATCHED THEN UPDATE SET v = s.v
		WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)
		WHEN NOT MATCHED BY SOURCE THEN UPDATE SET v = 'gone'
		OUTPUT $action, inserted.id, deleted.v, inserted.v, s.id;`, "DELETE|NULL|three|NULL|3\nUPDATE|2|two|TWO!|2\nUPDATE|1|one|gone|NULL\nINSERT|4|NULL|four|4")
	d.want("SELECT id, v, n FROM t ORDER BY id", "1|gone|1\n2|TWO!|2\n4|four|4")
	d.want("MERGE t USING (VALUES (9, 'nine')) AS s(id, v) ON t.id = s.id WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v) OUTPUT $action, inserted.id, inserted.n, deleted.id;", "INSERT|9|5|NULL")
	d.fails("MERGE t USING (VALUES (1, 'a'), (1, 'b')) AS s(id, v) ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.v;", 8672)
	d.fails("MERGE t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = 'bad';", 547, "CK")
	d.fails("MERGE t USING (VALUES (5)) AS s(id) ON 1 = 0 WHEN NOT MATCHED THEN INSERT (id, v) VALUES (9, 'x');", 2627, "(9)")
	d.ok("MERGE t AS x USING s AS y ON x.id = y.id WHEN NOT MATCHED BY SOURCE THEN DELETE;")
	d.want("SELECT id FROM t ORDER BY id", "2\n4")
}
