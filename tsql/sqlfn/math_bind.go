package sqlfn

import (
	"strings"

	"linkspan/sqltype"
)

var mathFunctions = map[string]function{
	"ABS": fn(1, bindSameNumber), "CEILING": fn(1, bindSameNumber), "FLOOR": fn(1, bindSameNumber), "SIGN": fn(1, bindSameNumber),
	"DEGREES": fn(1, bindSameNumber), "RADIANS": fn(1, bindSameNumber),
	"ROUND": span(2, 3, bindRound), "POWER": fn(2, bindPower),
	"SQRT": fn(1, floats("ls_sqrt")), "SQUARE": fn(1, floats("ls_square")), "EXP": fn(1, floats("ls_exp")),
	"LOG": span(1, 2, floats("ls_log")), "LOG10": fn(1, floats("ls_log10")), "SIN": fn(1, floats("ls_sin")),
	"COS": fn(1, floats("ls_cos")), "TAN": fn(1, floats("ls_tan")), "COT": fn(1, floats("ls_cot")), "ASIN": fn(1, floats("ls_asin")),
	"ACOS": fn(1, floats("ls_acos")), "ATAN": fn(1, floats("ls_atan")), "ATN2": fn(2, floats("ls_atn2")),
	"PI": fn(0, floats("ls_pi")), "RAND": span(0, 1, bindRand),
}

func floats(run string) func(string, []Expr) (Expr, error) {
	return fixed(run, typeFloat, typeFloat)
}

func bindRand(name string, a []Expr) (Expr, error) {
	return fixed("ls_rand", typeFloat, typeInt)(name, a)
}

// numeric gives x as the number that a mathematical function works on: tinyint and smallint are int, texts float, real
// float, smallmoney money.
func numeric(name string, x Expr) (Expr, error) {
	switch k := x.Type.Kind; {
	case k == sqltype.TinyInt || k == sqltype.SmallInt || k == sqltype.Null:
		return implicit(x, typeInt)
	case k == sqltype.Int || k == sqltype.BigInt || k == sqltype.Decimal || k == sqltype.Float || k == sqltype.Money:
		return x, nil
	case k == sqltype.SmallMoney:
		return implicit(x, sqltype.Type{Kind: sqltype.Money})
	case k == sqltype.Real || k == sqltype.Bit || k.IsString():
		return implicit(x, typeFloat)
	}
	return Expr{}, badArgument(name, 0, x)
}

// bindSameNumber is for functions whose result has their argument's type: name(x, type of x, type of the result).
func bindSameNumber(name string, a []Expr) (Expr, error) {
	x, err := numeric(name, a[0])
	if err != nil {
		return Expr{}, err
	}
	t := x.Type
	if t.Kind == sqltype.Decimal {
		switch name {
		case "CEILING", "FLOOR":
			t = sqltype.DecimalType(int(t.Prec), 0)
		case "DEGREES", "RADIANS":
			t = sqltype.DecimalType(38, max(int(t.Scale), 18))
		}
	}
	return Expr{SQL: call("ls_"+strings.ToLower(name), x.SQL, code(x.Type), code(t)), Type: t, Nullable: x.Nullable}, nil
}

// bindRound is ROUND(x, digits [, truncate]).
func bindRound(name string, a []Expr) (Expr, error) {
	x, err := numeric(name, a[0])
	if err != nil {
		return Expr{}, err
	}
	args := []string{x.SQL}
	for _, y := range a[1:] {
		n, err := implicit(y, typeInt)
		if err != nil {
			return Expr{}, err
		}
		args = append(args, n.SQL)
	}
	if len(args) == 2 {
		args = append(args, "0")
	}
	return Expr{SQL: call("ls_round", append(args, code(x.Type))...), Type: x.Type, Nullable: nullable(a...)}, nil
}

// bindPower is POWER(x, y), of x's type.
func bindPower(name string, a []Expr) (Expr, error) {
	x, err := numeric(name, a[0])
	if err != nil {
		return Expr{}, err
	}
	y, err := implicit(a[1], typeFloat)
	if err != nil {
		return Expr{}, err
	}
	t := x.Type
	if t.Kind == sqltype.Decimal {
		t.Prec = 38
	}
	return Expr{SQL: call("ls_power", x.SQL, y.SQL, code(x.Type), code(t)), Type: t, Nullable: nullable(a...)}, nil
}
