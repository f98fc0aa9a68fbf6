package sqlfn

import (
	"strings"

	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// comparisons gives SQLite's spelling of T-SQL's comparison operators.
var comparisons = map[string]string{
	"=": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "!<": ">=", "!>": "<=",
}

// comparisonNames names them in error 402.
var comparisonNames = map[string]string{
	"=": "equal to", "<>": "not equal to", "<": "less than", "<=": "less than or equal to", ">": "greater than", ">=": "greater than or equal to",
}

// Compare gives the condition a op b for = <> != < <= > >= !< !>.
func Compare(op string, a, b Expr) (Expr, error) {
	sign, ok := comparisons[op]
	if !ok {
		return Expr{}, sqlerr.New(102, op)
	}
	x, y, err := comparable2(a, b, comparisonNames[sign])
	if err != nil {
		return Expr{}, err
	}
	return condition(collated(x)+" "+sign+" "+y.SQL, x.Nullable || y.Nullable), nil
}

func condition(sql string, nullable bool) Expr {
	return Expr{SQL: "(" + sql + ")", Cond: true, Nullable: nullable}
}

// collated is x, a text under its collation.
func collated(x Expr) string { return OrderKey(x) }

// Comparable converts a and b to the type in which they compare, under the collation that rules. Numbers whose
// encodings compare as they are stay as they are, so that an index on either is of use.
func Comparable(a, b Expr) (Expr, Expr, error) { return comparable2(a, b, "equal to") }

// comparable2 is Comparable for the operator named.
func comparable2(a, b Expr, operator string) (Expr, Expr, error) {
	for _, x := range []Expr{a, b} {
		switch x.Type.Kind {
		case sqltype.Text, sqltype.NText, sqltype.Image, sqltype.XML:
			return a, b, sqlerr.New(402, sqltype.MessageName(a.Type), sqltype.MessageName(b.Type), operator)
		}
	}
	if native(a.Type.Kind) && native(b.Type.Kind) {
		return a, b, nil
	}
	t, e := sqltype.Common(a.Type, b.Type)
	if e != nil {
		return a, b, e
	}
	if t.Kind.IsString() {
		c, rule, err := ruling(a, b, operator)
		if err != nil {
			return a, b, err
		}
		// Blanks at the end do not count: texts compare at any length and width.
		a.Type.Collation, b.Type.Collation = c, c
		a.Rule, b.Rule = rule, rule
		if a.Type.Kind.IsString() && b.Type.Kind.IsString() {
			return a, b, nil
		}
		t.Collation, t.Len = c, sqltype.MaxLen
	}
	x, err := implicit(a, t)
	if err != nil {
		return a, b, err
	}
	y, err := implicit(b, t)
	return x, y, err
}

// native reports whether values of kind k compare with one another in SQLite as numbers: integers and floats.
func native(k sqltype.Kind) bool {
	return k.IsInteger() || k == sqltype.Float || k == sqltype.Real
}

// In gives the condition x [NOT] IN (list).
func In(x Expr, list []Expr, not bool) (Expr, error) {
	all := append([]Expr{x}, list...)
	t, rule, err := unifiedType(all)
	if err != nil {
		return Expr{}, err
	}
	if t.Kind.IsString() {
		t.Len = sqltype.MaxLen
	}
	nullable := false
	text := make([]string, len(all))
	for i, y := range all {
		if y, err = implicitCompare(y, t); err != nil {
			return Expr{}, err
		}
		y.Rule = rule
		nullable = nullable || y.Nullable
		text[i] = y.SQL
	}
	head := collated(Expr{SQL: text[0], Type: t})
	return condition(head+notWord(not)+" IN ("+strings.Join(text[1:], ", ")+")", nullable), nil
}

// implicitCompare converts for a comparison: texts stay as they are.
func implicitCompare(x Expr, t sqltype.Type) (Expr, error) {
	if t.Kind.IsString() && x.Type.Kind.IsString() || native(t.Kind) && native(x.Type.Kind) {
		return x, nil
	}
	return implicit(x, t)
}

func notWord(not bool) string {
	if not {
		return " NOT"
	}
	return ""
}

// InQuery gives x [NOT] IN (query). element is the query's one column; both come from Comparable(x, element), and the
// query selects element as it came back.
func InQuery(x, element Expr, query string, not bool) (Expr, error) {
	return condition(collated(x)+notWord(not)+" IN ("+query+")", true), nil
}

// Between gives x [NOT] BETWEEN lo AND hi.
func Between(x, lo, hi Expr, not bool) (Expr, error) {
	list := []Expr{x, lo, hi}
	t, _, err := unifiedType(list)
	if err != nil {
		return Expr{}, err
	}
	if t.Kind.IsString() {
		t.Len = sqltype.MaxLen
	}
	nullable := false
	for i := range list {
		if list[i], err = implicitCompare(list[i], t); err != nil {
			return Expr{}, err
		}
		nullable = nullable || list[i].Nullable
	}
	head := collated(Expr{SQL: list[0].SQL, Type: t})
	return condition(head+notWord(not)+" BETWEEN "+list[1].SQL+" AND "+list[2].SQL, nullable), nil
}

// Like gives x [NOT] LIKE pattern [ESCAPE escape], with % _ [a-z] [^a-z] under the collation that rules.
func Like(x, pattern Expr, escape *Expr, not bool) (Expr, error) {
	c, rule, err := ruling(x, pattern, "like")
	if err != nil {
		return Expr{}, err
	}
	t := sqltype.Type{Kind: sqltype.NVarChar, Len: sqltype.MaxLen, Collation: c}
	a, err := likeOperand(x, t)
	if err != nil {
		return Expr{}, err
	}
	p, err := likeOperand(pattern, t)
	if err != nil {
		return Expr{}, err
	}
	if x.Type.Kind.IsString() && !x.Type.Kind.IsUnicode() && !pattern.Type.Kind.IsUnicode() {
		t.Kind = sqltype.VarChar // blanks at the end of a varchar do not count
	}
	args := []string{a.SQL, p.SQL, code(t)}
	if escape != nil {
		e, err := likeOperand(*escape, t)
		if err != nil {
			return Expr{}, err
		}
		args = append(args, e.SQL)
	}
	sql := call("ls_like", args...)
	if not {
		sql = "NOT " + sql
	}
	r := condition(sql, x.Nullable || pattern.Nullable)
	r.Rule = rule
	return r, nil
}

// likeOperand takes texts as they are, so that blanks at their end count.
func likeOperand(x Expr, t sqltype.Type) (Expr, error) {
	if x.Type.Kind.IsString() {
		return x, nil
	}
	return implicit(x, t)
}
