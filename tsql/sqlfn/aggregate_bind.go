package sqlfn

import (
	"strings"

	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// aggregates gives, for each aggregate, how it is bound.
var aggregates = map[string]func(name string, distinct bool, a []Expr) (Expr, error){
	"COUNT": bindCount, "COUNT_BIG": bindCount, "APPROX_COUNT_DISTINCT": bindCount,
	"SUM": bindSum, "AVG": bindSum, "MIN": bindMinMax, "MAX": bindMinMax,
	"STDEV": bindSpread, "STDEVP": bindSpread, "VAR": bindSpread, "VARP": bindSpread,
	"STRING_AGG": bindStringAgg, "CHECKSUM_AGG": bindChecksumAgg,
}

// IsAggregate reports whether Aggregate knows name.
func IsAggregate(name string) bool {
	_, ok := aggregates[strings.ToUpper(name)]
	return ok
}

// Aggregate gives the aggregate name over args; COUNT(*) has none. 8117 when the type has no such aggregate. Every one may
// be used as a window function: OVER (…) follows the text.
func Aggregate(name string, distinct bool, args []Expr) (Expr, error) {
	upper := strings.ToUpper(name)
	bind, ok := aggregates[upper]
	if !ok {
		return Expr{}, sqlerr.New(195, name, "built-in function name")
	}
	want := 1
	switch upper {
	case "COUNT", "COUNT_BIG":
		want = len(args)
	case "STRING_AGG":
		want = 2
	}
	if len(args) != want || len(args) > 2 || len(args) == 2 && upper != "STRING_AGG" {
		return Expr{}, sqlerr.New(174, strings.ToLower(name), max(want, 1))
	}
	return bind(upper, distinct, args)
}

// made builds the Expr of an aggregate call.
func made(f string, distinct bool, t sqltype.Type, null bool, args ...string) Expr {
	a := &Agg{Func: f, Distinct: distinct, Args: args}
	return Expr{SQL: a.String(""), Type: t, Nullable: null, Agg: a}
}

func bindCount(name string, distinct bool, a []Expr) (Expr, error) {
	t := typeInt
	if name != "COUNT" {
		t = typeBigInt
	}
	if len(a) == 0 {
		return made("count", false, t, false, "*"), nil
	}
	return made("count", distinct || name == "APPROX_COUNT_DISTINCT", t, false, collated(a[0])), nil
}

// badAggregate is error 8117.
func badAggregate(name string, x Expr) error {
	return sqlerr.New(8117, sqltype.MessageName(x.Type), strings.ToLower(name))
}

// bindSum is SUM and AVG: "SUM (Transact-SQL)", "AVG (Transact-SQL)".
func bindSum(name string, distinct bool, a []Expr) (Expr, error) {
	x, run := a[0], "ls_"+strings.ToLower(name)+"_"
	switch x.Type.Kind {
	case sqltype.TinyInt, sqltype.SmallInt, sqltype.Int:
		return made(run+"int", distinct, typeInt, true, x.SQL), nil
	case sqltype.BigInt:
		return made(run+"bigint", distinct, typeBigInt, true, x.SQL), nil
	case sqltype.Money, sqltype.SmallMoney:
		return made(run+"money", distinct, sqltype.Type{Kind: sqltype.Money}, true, x.SQL), nil
	case sqltype.Real, sqltype.Float:
		return made(run+"float", distinct, typeFloat, true, x.SQL), nil
	case sqltype.Decimal:
		s := int(x.Type.Scale)
		if name == "AVG" {
			return made(run+"dec"+itoa(s), distinct, sqltype.DecimalType(38, max(s, 6)), true, x.SQL), nil
		}
		return made(run+"dec", distinct, sqltype.DecimalType(38, s), true, x.SQL), nil
	}
	return Expr{}, badAggregate(name, x)
}

func bindMinMax(name string, distinct bool, a []Expr) (Expr, error) {
	x := a[0]
	switch x.Type.Kind {
	case sqltype.Bit, sqltype.Null, sqltype.Text, sqltype.NText, sqltype.Image, sqltype.XML:
		return Expr{}, badAggregate(name, x)
	}
	r := made(strings.ToLower(name), false, x.Type, true, collated(x))
	r.Rule = x.Rule
	return r, nil
}

func bindSpread(name string, distinct bool, a []Expr) (Expr, error) {
	if !a[0].Type.Kind.IsNumeric() || a[0].Type.Kind == sqltype.Bit {
		return Expr{}, badAggregate(name, a[0])
	}
	x, err := implicit(a[0], typeFloat)
	if err != nil {
		return Expr{}, err
	}
	return made("ls_"+strings.ToLower(name), distinct, typeFloat, true, x.SQL), nil
}

// bindStringAgg is STRING_AGG(x, separator); WITHIN GROUP goes through Agg.String.
func bindStringAgg(name string, distinct bool, a []Expr) (Expr, error) {
	x, err := text(name, 0, a[0])
	if err != nil {
		return Expr{}, err
	}
	sep, err := text(name, 1, a[1])
	if err != nil {
		return Expr{}, err
	}
	r := made("ls_string_agg", false, varying(x.Type, 8000), true, x.SQL, sep.SQL)
	r.Rule = x.Rule
	return r, nil
}

func bindChecksumAgg(name string, distinct bool, a []Expr) (Expr, error) {
	x, err := implicit(a[0], typeInt)
	if err != nil {
		return Expr{}, badAggregate(name, a[0])
	}
	return made("ls_checksum_agg", distinct, typeInt, true, x.SQL), nil
}
