package sqlfn

import (
	"strconv"

	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// Convert gives x as type to: CAST and CONVERT, their TRY_ forms, and implicit conversions. 206, 257 and 529 when the
// kinds do not convert.
func Convert(x Expr, to sqltype.Type, o Options) (Expr, error) {
	from := x.Type
	if to.Kind.IsString() && to.Collation == "" && from.Kind.IsString() {
		to.Collation = from.Collation
	}
	if e := sqltype.Allowed(from.Kind, to.Kind, !o.Implicit); e != nil {
		return Expr{}, e
	}
	r := Expr{SQL: x.SQL, Type: to, Nullable: x.Nullable || o.Try, Const: x.Const, Rule: x.Rule}
	if from.Kind == sqltype.Null {
		r.Nullable = true
		return r, nil
	}
	style := "0"
	if o.Style != nil {
		s, err := Convert(*o.Style, typeInt, Options{Implicit: true})
		if err != nil {
			return Expr{}, err
		}
		style = s.SQL
		if c := o.Style.Const; c != nil && c.Valid {
			style = strconv.FormatInt(c.N, 10)
		}
		r.Nullable = r.Nullable || s.Nullable
	}
	if sql, ok := direct(x, to); ok && style == "0" {
		r.SQL = sql
		if sql != x.SQL {
			r.Const = nil
		}
		return r, nil
	}
	r.Const = nil
	name := "ls_conv"
	if o.Try {
		name = "ls_try"
	}
	r.SQL = call(name, x.SQL, code(from), code(to), style)
	return r, nil
}

// implicit converts as SQL Server does by itself.
func implicit(x Expr, to sqltype.Type) (Expr, error) {
	return Convert(x, to, Options{Implicit: true})
}

// direct gives the text for conversions that need no function: those that keep the encoding, and scaling by a constant.
func direct(x Expr, to sqltype.Type) (string, bool) {
	from := x.Type
	f, t := from.Kind, to.Kind
	switch {
	case t == sqltype.Null || t == sqltype.Variant && f == sqltype.Variant:
		return x.SQL, true
	case f.IsInteger() && t.IsInteger() && t != sqltype.Bit:
		return x.SQL, f <= t
	case f.IsInteger() && t == sqltype.Float:
		return "CAST(" + x.SQL + " AS REAL)", true
	case f.IsInteger() && t == sqltype.Decimal && to.Prec <= 18:
		d, _ := sqltype.AsDecimal(from)
		return scaled(x.SQL, int(to.Scale)), d.Prec <= to.Prec-to.Scale
	case f == sqltype.Decimal && t == sqltype.Decimal:
		return directDecimal(x.SQL, from, to)
	case f == sqltype.Real && t == sqltype.Float || f == sqltype.SmallMoney && t == sqltype.Money:
		return x.SQL, true
	case f.IsString() && t.IsString():
		return x.SQL, textFits(from, to)
	case f.IsBinary() && t.IsBinary():
		return x.SQL, t != sqltype.Binary && t != sqltype.RowVersion && lengthFits(from, to) || f == t && from.Len == to.Len
	case f == t && (f == sqltype.Time || f == sqltype.DateTime2 || f == sqltype.DateTimeOffset):
		return x.SQL, from.Scale <= to.Scale
	}
	return x.SQL, f == t
}

func directDecimal(sql string, from, to sqltype.Type) (string, bool) {
	if (from.Prec > 18) != (to.Prec > 18) || from.Prec-from.Scale > to.Prec-to.Scale || from.Scale > to.Scale {
		return "", false
	}
	if from.Prec > 18 {
		return sql, from.Scale == to.Scale
	}
	return scaled(sql, int(to.Scale-from.Scale)), true
}

// scaled multiplies by 10^n.
func scaled(sql string, n int) string {
	if n == 0 {
		return sql
	}
	p := int64(1)
	for range n {
		p *= 10
	}
	return "(" + sql + " * " + strconv.FormatInt(p, 10) + ")"
}

// textFits reports whether every text of type from is one of type to as it stands.
func textFits(from, to sqltype.Type) bool {
	if to.Kind == sqltype.Char || to.Kind == sqltype.NChar {
		return from.Kind == to.Kind && from.Len == to.Len
	}
	if !to.Kind.IsUnicode() && !sqltype.CollationOf(to).UTF8 && from.Kind.IsUnicode() {
		return false
	}
	if !to.Kind.IsUnicode() && sqltype.CollationOf(to).UTF8 && !(!from.Kind.IsUnicode() && sqltype.CollationOf(from).UTF8) {
		return to.Len == sqltype.MaxLen
	}
	return lengthFits(from, to)
}

func lengthFits(from, to sqltype.Type) bool {
	return to.Len == sqltype.MaxLen || to.Len == 0 || from.Len != sqltype.MaxLen && from.Len <= to.Len
}

// Assign gives x as a value for a column of type to: what INSERT, UPDATE and DEFAULT convert. Text and binary data that
// is too long is error 2628, with the names in Statement.Sites[site]; blanks and zero bytes at the end are cut quietly.
func Assign(x Expr, to sqltype.Type, site int) (Expr, error) {
	long := to.Kind.IsString() && (x.Type.Kind.IsString() || x.Type.Kind.IsBinary()) || to.Kind.IsBinary() && x.Type.Kind.IsBinary()
	if !long || to.Len == sqltype.MaxLen || to.Len == 0 || x.Type.Len != sqltype.MaxLen && x.Type.Len <= to.Len && sameUnits(x.Type, to) {
		return implicit(x, to)
	}
	if e := sqltype.Allowed(x.Type.Kind, to.Kind, false); e != nil {
		return Expr{}, e
	}
	if to.Collation == "" {
		to.Collation = x.Type.Collation
	}
	return Expr{SQL: call("ls_assign", x.SQL, code(x.Type), code(to), itoa(site)), Type: to, Nullable: x.Nullable}, nil
}

// sameUnits reports whether a length of from is no more than the same length of to.
func sameUnits(from, to sqltype.Type) bool {
	utf8To := to.Kind.IsString() && !to.Kind.IsUnicode() && sqltype.CollationOf(to).UTF8
	return !utf8To || !from.Kind.IsUnicode() && sqltype.CollationOf(from).UTF8
}

// Unify converts list to the one type that CASE, COALESCE, UNION, VALUES and the like give: the type of the highest
// precedence, with room for all. NULLs alone are int.
func Unify(list []Expr) ([]Expr, sqltype.Type, error) {
	t, rule, err := unifiedType(list)
	if err != nil {
		return nil, t, err
	}
	out := make([]Expr, len(list))
	for i, x := range list {
		if out[i], err = implicit(x, t); err != nil {
			return nil, t, err
		}
		out[i].Rule = rule
	}
	return out, t, nil
}

func unifiedType(list []Expr) (sqltype.Type, Rule, error) {
	var t sqltype.Type
	rule := Coercible
	for _, x := range list {
		next, e := sqltype.Common(t, x.Type)
		if e != nil {
			return t, rule, e
		}
		if next.Kind.IsString() && x.Type.Kind.IsString() {
			c, r, err := ruling(Expr{Type: t, Rule: rule}, x, "CASE")
			if err != nil {
				return t, rule, err
			}
			next.Collation, rule = c, r
		}
		t = next
	}
	if t.Kind == sqltype.Null {
		t = typeInt
	}
	return t, rule, nil
}

// ruling gives the collation that a and b meet under.
func ruling(a, b Expr, operation string) (string, Rule, error) {
	if !a.Type.Kind.IsString() {
		return b.Type.Collation, b.Rule, nil
	}
	if !b.Type.Kind.IsString() || b.Type.Collation == "" {
		return a.Type.Collation, a.Rule, nil
	}
	if a.Type.Collation == "" || a.Rule < b.Rule {
		return b.Type.Collation, b.Rule, nil
	}
	if a.Rule == b.Rule && a.Rule != Coercible && CollationName(a.Type) != CollationName(b.Type) {
		return "", 0, sqlerr.New(468, sqltype.CollationOf(a.Type).Name, sqltype.CollationOf(b.Type).Name, operation)
	}
	return a.Type.Collation, a.Rule, nil
}

// Collate gives x under the named collation: 448 when it is unknown, 447 when x is no text.
func Collate(x Expr, collation string) (Expr, error) {
	c, ok := sqltype.LookupCollation(collation)
	if !ok {
		return Expr{}, sqlerr.New(448, collation)
	}
	if !x.Type.Kind.IsString() {
		return Expr{}, sqlerr.New(447, sqltype.MessageName(x.Type))
	}
	to := x.Type
	to.Collation = c.Name
	r := Expr{SQL: x.SQL, Type: to, Nullable: x.Nullable, Rule: Explicit}
	if !to.Kind.IsUnicode() && sqltype.CollationOf(x.Type).UTF8 != c.UTF8 {
		r.SQL = call("ls_conv", x.SQL, code(x.Type), code(to), "0")
	}
	return r, nil
}

var (
	typeInt    = sqltype.Type{Kind: sqltype.Int}
	typeBigInt = sqltype.Type{Kind: sqltype.BigInt}
	typeBit    = sqltype.Type{Kind: sqltype.Bit}
	typeFloat  = sqltype.Type{Kind: sqltype.Float, Prec: 53}
)
