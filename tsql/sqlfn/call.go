package sqlfn

import (
	"maps"
	"strings"

	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// function is what Call knows of a T-SQL function.
type function struct {
	// min and max bound the number of arguments; max is -1 when it has no bound.
	min, max int
	bind     func(name string, a []Expr) (Expr, error)
}

// functions holds every scalar function by its upper-case name.
var functions = union(stringFunctions, mathFunctions, dateFunctions, logicFunctions, miscFunctions, hostFunctions())

func union(tables ...map[string]function) map[string]function {
	all := make(map[string]function)
	for _, t := range tables {
		maps.Copy(all, t)
	}
	return all
}

// IsFunction reports whether Call knows name.
func IsFunction(name string) bool {
	_, ok := functions[strings.ToUpper(name)]
	return ok
}

// Call gives the scalar function name over args. 195 when there is no such function, 174 and 189 for a wrong number of
// arguments, 8116 for an argument of a wrong type. TRIM(c FROM s) has the arguments s, c. The niladic ones
// (CURRENT_TIMESTAMP, CURRENT_USER, SESSION_USER, SYSTEM_USER, USER) have none.
func Call(name string, args []Expr) (Expr, error) {
	upper := strings.ToUpper(name)
	f, ok := functions[upper]
	if !ok {
		return Expr{}, sqlerr.New(195, name, "built-in function name")
	}
	switch n := len(args); {
	case n >= f.min && (n <= f.max || f.max < 0):
		return f.bind(upper, args)
	case f.min == f.max:
		return Expr{}, sqlerr.New(174, strings.ToLower(name), f.min)
	default:
		return Expr{}, sqlerr.New(189, strings.ToLower(name), f.min, max(f.max, 254*b2i(f.max < 0)))
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// fixed makes a function whose arguments have fixed types: the ones given are converted, the ones left out are not
// passed. With arguments its result may be NULL, whatever they are (CHAR(256), SPACE(-1)).
func fixed(run string, result sqltype.Type, params ...sqltype.Type) func(string, []Expr) (Expr, error) {
	return func(_ string, a []Expr) (Expr, error) {
		r := Expr{Type: result, Nullable: len(a) > 0}
		text := make([]string, len(a))
		for i, x := range a {
			y, err := implicit(x, params[min(i, len(params)-1)])
			if err != nil {
				return Expr{}, err
			}
			text[i] = y.SQL
		}
		r.SQL = call(run, text...)
		return r, nil
	}
}

// fn is a function with a fixed number of arguments.
func fn(n int, bind func(string, []Expr) (Expr, error)) function { return function{n, n, bind} }

// span is a function with min to max arguments.
func span(lo, hi int, bind func(string, []Expr) (Expr, error)) function {
	return function{lo, hi, bind}
}

func nullable(a ...Expr) bool {
	for _, x := range a {
		if x.Nullable {
			return true
		}
	}
	return false
}

var (
	typeVarChar  = sqltype.Type{Kind: sqltype.VarChar, Len: 8000}
	typeNVarChar = sqltype.Type{Kind: sqltype.NVarChar, Len: 4000}
	typeSysname  = sqltype.Type{Kind: sqltype.NVarChar, Len: 128}
	typeMaxText  = sqltype.Type{Kind: sqltype.NVarChar, Len: sqltype.MaxLen}
	typeBytes    = sqltype.Type{Kind: sqltype.VarBinary, Len: sqltype.MaxLen}
	typeGUID     = sqltype.Type{Kind: sqltype.UniqueIdentifier}
	typeDate     = sqltype.Type{Kind: sqltype.Date}
	typeDateTime = sqltype.Type{Kind: sqltype.DateTime}
	typeSmall    = sqltype.Type{Kind: sqltype.SmallInt}
)

// text gives x as a text: itself, or converted to varchar(8000). sql_variant, xml and the like are 8116.
func text(name string, i int, x Expr) (Expr, error) {
	switch k := x.Type.Kind; {
	case k == sqltype.Null:
		return Expr{SQL: "NULL", Type: sqltype.Type{Kind: sqltype.VarChar, Len: 1}, Nullable: true}, nil
	case k == sqltype.XML || k == sqltype.Image:
		return Expr{}, badArgument(name, i, x)
	case k.IsString():
		return x, nil
	}
	return Convert(x, typeVarChar, Options{})
}

// badArgument is error 8116; i counts from 0.
func badArgument(name string, i int, x Expr) error {
	return sqlerr.New(8116, sqltype.MessageName(x.Type), i+1, strings.ToLower(name))
}

// varying gives the type of a function's text result: the varying kind of t, length n, or max when t is max.
func varying(t sqltype.Type, n int) sqltype.Type {
	r := sqltype.Type{Kind: sqltype.VarChar, Len: n, Collation: t.Collation}
	limit := 8000
	switch {
	case t.Kind.IsUnicode():
		r.Kind, limit = sqltype.NVarChar, 4000
	case t.Kind.IsBinary():
		r.Kind = sqltype.VarBinary
	}
	if t.Len == sqltype.MaxLen || n == sqltype.MaxLen {
		r.Len = sqltype.MaxLen
	} else {
		r.Len = max(min(n, limit), 1)
	}
	return r
}

// constInt gives the value of an integer literal.
func constInt(x Expr) (int, bool) {
	if x.Const == nil || !x.Const.Valid || !x.Const.K.IsInteger() {
		return 0, false
	}
	n := x.Const.N
	return int(max(min(n, 1<<30), -1<<30)), true
}
