package sqlfn

import (
	"strconv"
	"strings"

	"linkspan/sqlerr"
	"linkspan/sqltype"
)

var logicFunctions = map[string]function{
	"ISNULL": fn(2, bindIsNull), "COALESCE": span(2, -1, bindCoalesce), "NULLIF": fn(2, bindNullIf),
	"IIF": fn(3, bindIIf), "CHOOSE": span(2, -1, bindChoose), "GREATEST": span(1, 254, bindGreatest), "LEAST": span(1, 254, bindGreatest),
}

// bindIsNull gives ISNULL(a, b): of a's type; of b's when a is the NULL literal.
func bindIsNull(_ string, a []Expr) (Expr, error) {
	t := a[0].Type
	if t.Kind == sqltype.Null {
		if a[1].Type.Kind == sqltype.Null {
			return Expr{SQL: "NULL", Type: typeInt, Nullable: true}, nil
		}
		return a[1], nil
	}
	y, err := implicit(a[1], t)
	if err != nil {
		return Expr{}, err
	}
	if !a[0].Nullable {
		// SQLite must still see the second argument: its text stands once in the result.
		return Expr{SQL: call("ifnull", a[0].SQL, y.SQL), Type: t, Rule: a[0].Rule}, nil
	}
	return Expr{SQL: call("ifnull", a[0].SQL, y.SQL), Type: t, Nullable: y.Nullable, Rule: a[0].Rule}, nil
}

func bindCoalesce(_ string, a []Expr) (Expr, error) {
	if allNull(a) {
		return Expr{}, sqlerr.New(4127, "COALESCE")
	}
	list, t, err := Unify(a)
	if err != nil {
		return Expr{}, err
	}
	r := Expr{Type: t, Nullable: true, Rule: list[0].Rule}
	parts := make([]string, len(list))
	for i, x := range list {
		parts[i] = x.SQL
		r.Nullable = r.Nullable && x.Nullable
	}
	r.SQL = call("coalesce", parts...)
	return r, nil
}

func allNull(list []Expr) bool {
	for _, x := range list {
		if x.Type.Kind != sqltype.Null {
			return false
		}
	}
	return true
}

// bindNullIf gives NULLIF(a, b), of a's type.
func bindNullIf(_ string, a []Expr) (Expr, error) {
	if a[0].Type.Kind == sqltype.Null {
		return Expr{}, sqlerr.New(4127, "NULLIF")
	}
	x, y, err := Comparable(a[0], a[1])
	if err != nil {
		return Expr{}, err
	}
	r := Expr{SQL: call("nullif", collated(x), y.SQL), Type: x.Type, Nullable: true, Rule: x.Rule}
	if x.Type.Kind == a[0].Type.Kind && x.SQL == a[0].SQL {
		r.Type = a[0].Type
		return r, nil
	}
	return Convert(r, a[0].Type, Options{})
}

func bindIIf(_ string, a []Expr) (Expr, error) {
	if !a[0].Cond {
		return Expr{}, sqlerr.New(4145, "iif")
	}
	if allNull(a[1:]) {
		return Expr{}, sqlerr.New(8133)
	}
	list, t, err := Unify(a[1:])
	if err != nil {
		return Expr{}, err
	}
	return Expr{SQL: call("iif", a[0].SQL, list[0].SQL, list[1].SQL), Type: t, Nullable: nullable(list...), Rule: list[0].Rule}, nil
}

func bindChoose(_ string, a []Expr) (Expr, error) {
	n, err := implicit(a[0], typeInt)
	if err != nil {
		return Expr{}, err
	}
	list, t, err := Unify(a[1:])
	if err != nil {
		return Expr{}, err
	}
	var b strings.Builder
	b.WriteString("(CASE " + n.SQL)
	for i, x := range list {
		b.WriteString(" WHEN " + strconv.Itoa(i+1) + " THEN " + x.SQL)
	}
	b.WriteString(" END)")
	return Expr{SQL: b.String(), Type: t, Nullable: true}, nil
}

// bindGreatest is GREATEST and LEAST: NULLs do not count.
func bindGreatest(name string, a []Expr) (Expr, error) {
	list, t, err := Unify(a)
	if err != nil {
		return Expr{}, err
	}
	parts := make([]string, 0, len(list)+1)
	for _, x := range list {
		parts = append(parts, x.SQL)
	}
	return Expr{SQL: call("ls_"+strings.ToLower(name), append(parts, code(t))...), Type: t, Nullable: nullable(list...)}, nil
}
