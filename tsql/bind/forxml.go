package bind

import (
	"strconv"
	"strings"

	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/sqlfn"
)

// forXML turns a query with FOR XML PATH into one that gives one text: each row an element (none for PATH (”)), in it an
// element for each named column and plain text for the others; NULLs are left out. It is how scripts join strings.
func (b *binder) forXML(q *query, e *ast.Select) (*query, error) {
	if e.For != "XML PATH" {
		return nil, b.refuse(e, "FOR "+e.For)
	}
	element := "row"
	for _, o := range e.ForOptions {
		lit, ok := o.Value.(*ast.Literal)
		if o.Name != "ELEMENT" || !ok {
			return nil, b.refuse(e, "FOR XML PATH with "+o.Name)
		}
		element = lit.Text
	}
	q.stable = true
	text, err := q.text(b)
	if err != nil {
		return nil, err
	}
	a, out := b.alias(), b.collated(sqltype.Type{Kind: sqltype.NVarChar, Len: sqltype.MaxLen})
	var parts []string
	for i, c := range q.columns() {
		x := sqlfn.Expr{SQL: a + ".k_" + strconv.Itoa(i+1), Type: c.expr.Type, Nullable: true}
		part, err := b.xmlText(x, out)
		if err != nil {
			return nil, b.place(e, err)
		}
		name := c.name
		if strings.ContainsAny(name, "@/()*:<>&'\" ") && name != "text()" && name != "*" {
			return nil, b.refuse(e, "the column name "+name+" under FOR XML PATH")
		}
		if name != "" && name != "text()" && name != "*" {
			part = b.tag("<"+name+">", out) + " || " + part + " || " + b.tag("</"+name+">", out)
		}
		parts = append(parts, "ifnull("+part+", '')")
	}
	row := strings.Join(parts, " || ")
	if element != "" {
		row = b.tag("<"+element+">", out) + " || " + row + " || " + b.tag("</"+element+">", out)
	}
	item := outColumn{name: "XML_F52E2B61-18A1-11d1-B105-00805F49916B", expr: sqlfn.Expr{SQL: "group_concat(" + row + ", '')", Type: out, Nullable: true}}
	return &query{block: &block{scope: &scope{}, items: []outColumn{item}, from: "(" + text + ") AS " + a, grouped: true}}, nil
}

// tag is a piece of markup as a parameter.
func (b *binder) tag(text string, t sqltype.Type) string {
	return b.constant(sqltype.StringOf(t.Kind, text), t).SQL
}

// xmlText spells a value as XML does and escapes it.
func (b *binder) xmlText(x sqlfn.Expr, t sqltype.Type) (string, error) {
	o := sqlfn.Options{}
	if x.Type.Kind.IsTemporal() {
		style := b.intConstant(126)
		o.Style = &style
	}
	if x.Type.Kind.IsBinary() {
		return "", b.refuse(ast.Pos{}, "a binary column under FOR XML PATH")
	}
	x, err := sqlfn.Convert(x, t, o)
	return "replace(replace(replace(" + x.SQL + ", '&', '&amp;'), '<', '&lt;'), '>', '&gt;')", err
}
