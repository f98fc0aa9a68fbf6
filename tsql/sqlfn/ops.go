package sqlfn

import (
	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// Unary gives -x, +x or ~x.
func Unary(op string, x Expr) (Expr, error) {
	k := x.Type.Kind
	switch {
	case op == "+":
		return x, nil
	case op == "~" && k.IsInteger():
		return invert(x), nil
	case op == "-" && k == sqltype.Null:
		return x, nil
	case op == "-" && k.IsString():
		y, err := implicit(x, typeInt)
		if err != nil {
			return Expr{}, err
		}
		return Unary(op, y)
	case op == "-" && k.IsNumeric() && k != sqltype.Bit:
		return negate(x), nil
	}
	names := map[string]string{"-": "minus", "~": "'~'"}
	return Expr{}, sqlerr.New(8117, sqltype.MessageName(x.Type), names[op])
}

func invert(x Expr) Expr {
	r := Expr{Type: x.Type, Nullable: x.Nullable}
	switch x.Type.Kind {
	case sqltype.Bit:
		r.SQL = "(1 - " + x.SQL + ")"
	case sqltype.TinyInt:
		r.SQL = "(255 - " + x.SQL + ")"
	default:
		r.SQL = "(~" + x.SQL + ")"
	}
	return r
}

// negate gives -x; a tinyint becomes a smallint: "- (Negative) (Transact-SQL)".
func negate(x Expr) Expr {
	r := Expr{Type: x.Type, Nullable: x.Nullable, SQL: "(-" + x.SQL + ")"}
	switch x.Type.Kind {
	case sqltype.TinyInt:
		r.Type.Kind = sqltype.SmallInt
	case sqltype.SmallInt, sqltype.Int, sqltype.BigInt, sqltype.Money, sqltype.SmallMoney:
		if x.Const == nil {
			r.SQL = call("ls_"+r.Type.Kind.String(), "-"+x.SQL)
		}
	case sqltype.Decimal:
		if x.Type.Prec > 18 {
			r.SQL = call("ls_dneg", x.SQL)
		}
	}
	if c := x.Const; c != nil && c.Valid {
		n := negated(*c)
		n.K = r.Type.Kind
		r.Const = &n
	}
	return r
}

func negated(v sqltype.Value) sqltype.Value {
	switch v.K {
	case sqltype.Real, sqltype.Float:
		return sqltype.FloatOf(v.K, -v.Float())
	case sqltype.Decimal:
		return sqltype.Negate(v)
	}
	v.N = -v.N
	return v
}

// Binary gives a op b for + - * / % & | ^, of the type that SQL Server gives it. 402 and 8117 when the types have no
// such operator, 206 and 257 when one does not convert to the other.
func Binary(op string, a, b Expr) (Expr, error) {
	if len(op) != 1 {
		return Expr{}, sqlerr.New(102, op)
	}
	at, bt := a.Type, b.Type
	if op != "&" && op != "|" && op != "^" {
		at, bt = narrow(a, b), narrow(b, a)
	}
	t, lt, rt, e := sqltype.Operate(op[0], at, bt)
	if e != nil {
		return Expr{}, e
	}
	if t.Kind.IsString() || t.Kind.IsBinary() && op == "+" {
		return join(a, b, t, lt, rt)
	}
	if t.Kind == sqltype.Decimal {
		return decimalOp(op[0], a, b, t, lt, rt)
	}
	x, err := implicit(a, lt)
	if err != nil {
		return Expr{}, err
	}
	y, err := implicit(b, rt)
	if err != nil {
		return Expr{}, err
	}
	nullable := x.Nullable || y.Nullable
	return Expr{SQL: arithmetic(op, x.SQL, y.SQL, t.Kind), Type: t, Nullable: nullable}, nil
}

// narrow gives x's type or, for an integer literal beside a decimal, the smallest decimal that holds it, as SQL Server
// types such constants: 2.0/3 has six decimal places.
func narrow(x, other Expr) sqltype.Type {
	c := x.Const
	if c == nil || !c.Valid || other.Type.Kind != sqltype.Decimal || !x.Type.Kind.IsInteger() {
		return x.Type
	}
	digits := 1
	for n := c.N / 10; n != 0; n /= 10 {
		digits++
	}
	return sqltype.DecimalType(digits, 0)
}

// arithmetic writes x op y for operands of one kind.
func arithmetic(op, x, y string, k sqltype.Kind) string {
	switch op {
	case "&", "|":
		return "(" + x + " " + op + " " + y + ")"
	case "^":
		return call("ls_xor", x, y)
	}
	float := k == sqltype.Float || k == sqltype.Real
	money := k == sqltype.Money || k == sqltype.SmallMoney
	switch {
	case op == "+" || op == "-" || op == "*" && !money:
		return call("ls_"+k.String(), x+" "+op+" "+y)
	case op == "*":
		return call("ls_mmul", x, y, itoa(int(k)))
	case op == "/" && float:
		return call("ls_fdiv", x, y, itoa(int(k)))
	case op == "/" && money:
		return call("ls_mdiv", x, y, itoa(int(k)))
	case op == "/":
		return call("ls_div", x, y, itoa(int(k)))
	}
	return call("ls_mod", x, y)
}

// join concatenates texts or binaries.
func join(a, b Expr, t, lt, rt sqltype.Type) (Expr, error) {
	c, rule, err := ruling(a, b, "add")
	if err != nil {
		return Expr{}, err
	}
	t.Collation = c
	x, err := implicit(a, lt)
	if err != nil {
		return Expr{}, err
	}
	y, err := implicit(b, rt)
	if err != nil {
		return Expr{}, err
	}
	r := Expr{Type: t, Nullable: x.Nullable || y.Nullable, Rule: rule}
	if t.Kind.IsBinary() {
		r.SQL = call("ls_bcat", x.SQL, y.SQL, code(t))
		return r, nil
	}
	r.SQL = "(" + x.SQL + " || " + y.SQL + ")"
	if t.Len != sqltype.MaxLen && lt.Len+rt.Len > t.Len {
		wide := t
		wide.Len = sqltype.MaxLen
		r.SQL = call("ls_conv", x.SQL+" || "+y.SQL, code(wide), code(t), "0")
	}
	return r, nil
}

// decimalOps names the functions of decimal arithmetic.
var decimalOps = map[byte]string{'+': "ls_dadd", '-': "ls_dsub", '*': "ls_dmul", '/': "ls_ddiv", '%': "ls_dmod"}

// decimalOp writes decimal arithmetic: on SQLite's integers where operands and result have at most 18 digits and no
// rounding happens, by function otherwise.
func decimalOp(op byte, a, b Expr, t, lt, rt sqltype.Type) (Expr, error) {
	x, xt, err := decimalOperand(a, lt)
	if err != nil {
		return Expr{}, err
	}
	y, yt, err := decimalOperand(b, rt)
	if err != nil {
		return Expr{}, err
	}
	r := Expr{Type: t, Nullable: a.Nullable || b.Nullable}
	if xt.Prec <= 18 && yt.Prec <= 18 && t.Prec <= 18 && op != '/' && op != '%' {
		if op == '*' {
			r.SQL = "(" + x + " * " + y + ")"
		} else {
			r.SQL = "(" + scaled(x, int(t.Scale-xt.Scale)) + " " + string(op) + " " + scaled(y, int(t.Scale-yt.Scale)) + ")"
		}
		return r, nil
	}
	r.SQL = call(decimalOps[op], x, y, code(xt), code(yt), code(t))
	return r, nil
}

// decimalOperand gives an operand of decimal arithmetic. Integers and money are decimals as they are stored: only the
// scale is told.
func decimalOperand(x Expr, t sqltype.Type) (string, sqltype.Type, error) {
	k := x.Type.Kind
	if k == sqltype.Decimal {
		return x.SQL, x.Type, nil
	}
	if k.IsInteger() || k == sqltype.Money || k == sqltype.SmallMoney {
		d, _ := sqltype.AsDecimal(x.Type)
		if x.Const != nil {
			d = t
		}
		return x.SQL, d, nil
	}
	y, err := implicit(x, t)
	return y.SQL, t, err
}
