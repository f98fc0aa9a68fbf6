package sqlfn

import (
	"strings"

	"linkspan/sqlerr"
	"linkspan/sqltype"
)

var miscFunctions = map[string]function{
	"NEWID": fn(0, fixed("ls_newid", typeGUID)), "NEWSEQUENTIALID": fn(0, fixed("ls_newsequentialid", typeGUID)),
	"HASHBYTES": fn(2, bindHashBytes), "CHECKSUM": span(1, -1, bindChecksum), "BINARY_CHECKSUM": span(1, -1, bindChecksum),
	"ISNUMERIC": fn(1, bindIsNumeric),
}

func bindHashBytes(name string, a []Expr) (Expr, error) {
	alg, err := implicit(a[0], typeSysname)
	if err != nil {
		return Expr{}, err
	}
	x := a[1]
	if !x.Type.Kind.IsString() && !x.Type.Kind.IsBinary() && x.Type.Kind != sqltype.Null {
		return Expr{}, badArgument(name, 1, x)
	}
	if x.Type.Kind != sqltype.Null {
		if x, err = Convert(x, typeBytes, Options{}); err != nil {
			return Expr{}, err
		}
	}
	return Expr{SQL: call("ls_hashbytes", alg.SQL, x.SQL), Type: sqltype.Type{Kind: sqltype.VarBinary, Len: 8000}, Nullable: true}, nil
}

// bindChecksum passes each value with its type.
func bindChecksum(name string, a []Expr) (Expr, error) {
	var parts []string
	for i, x := range a {
		if x.Word != "" || x.SQL == "" {
			return Expr{}, badArgument(name, i, x)
		}
		parts = append(parts, x.SQL, code(x.Type))
	}
	run := "ls_checksum"
	if name == "BINARY_CHECKSUM" {
		run = "ls_binary_checksum"
	}
	return Expr{SQL: call(run, parts...), Type: typeInt}, nil
}

func bindIsNumeric(_ string, a []Expr) (Expr, error) {
	x := a[0]
	switch k := x.Type.Kind; {
	case k.IsString():
		return Expr{SQL: call("ls_isnumeric", x.SQL), Type: typeInt}, nil
	case k.IsNumeric() && k != sqltype.Bit:
		return Expr{SQL: "(" + x.SQL + " IS NOT NULL)", Type: typeInt}, nil
	}
	return Expr{SQL: "(" + x.SQL + " IS NULL AND 0)", Type: typeInt}, nil
}

// bindHost makes a function that Statement.Host runs.
func bindHost(h hostFunction) func(string, []Expr) (Expr, error) {
	return func(name string, a []Expr) (Expr, error) {
		parts := []string{"'" + name + "'", code(h.result)}
		for i, x := range a {
			t := h.params[min(i, len(h.params)-1)]
			y, err := implicit(x, t)
			if err != nil {
				return Expr{}, badArgument(name, i, x)
			}
			if y.SQL == "" {
				return Expr{}, sqlerr.New(102, x.Word)
			}
			parts = append(parts, y.SQL, code(t))
		}
		return Expr{SQL: "ls_host(" + strings.Join(parts, ", ") + ")", Type: h.result, Nullable: true}, nil
	}
}
