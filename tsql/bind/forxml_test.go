package bind_test

import "testing"

func TestForXMLPath(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok(sample)
	d.want("SELECT STUFF((SELECT ',' + name FROM customers ORDER BY id DESC FOR XML PATH('')), 1, 1, '')", "Барбара,edsger,Grace,Ada")
	d.want("SELECT c.id, (SELECT ';' + CAST(o.id AS varchar(5)) FROM orders o WHERE o.customer = c.id ORDER BY o.id FOR XML PATH('')) AS list FROM customers c ORDER BY c.id", "1|;1;2\n2|;3\n3|NULL\n4|NULL")
	d.want("SELECT id, city FROM customers WHERE id > 1 AND id < 4 ORDER BY id FOR XML PATH('c')", "<c><id>2</id><city>New York</city></c><c><id>3</id></c>")
	d.want("SELECT '<&>' AS x FOR XML PATH", "<row><x>&lt;&amp;&gt;</x></row>")
	d.fails("SELECT id FROM customers FOR XML AUTO", 40514, "XML AUTO")
	d.fails("SELECT id FROM customers FOR JSON PATH", 40514, "JSON")
	d.fails("SELECT id AS [@id] FROM customers FOR XML PATH", 40514, "@id")
}
