package parse_test

import (
	"fmt"
	"reflect"
	"strings"

	"linkspan/tsql/ast"
)

// dump spells a tree for golden files: type names and the fields that are not zero, positions as line:column.
func dump(v any) string {
	var b strings.Builder
	dumpValue(&b, reflect.ValueOf(v), 0)
	return b.String()
}

func dumpValue(b *strings.Builder, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			b.WriteString("nil")
			return
		}
		dumpValue(b, v.Elem(), depth)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			fmt.Fprintf(b, "0x%x", v.Bytes())
			return
		}
		for i := range v.Len() {
			fmt.Fprintf(b, "\n%s- ", strings.Repeat("  ", depth))
			dumpValue(b, v.Index(i), depth+1)
		}
	case reflect.Struct:
		dumpStruct(b, v, depth)
	case reflect.String:
		fmt.Fprintf(b, "%q", v.String())
	default:
		fmt.Fprint(b, v.Interface())
	}
}

func dumpStruct(b *strings.Builder, v reflect.Value, depth int) {
	if n, ok := v.Interface().(ast.ObjectName); ok {
		fmt.Fprintf(b, "`%s`", n)
		return
	}
	b.WriteString(v.Type().Name())
	if n, ok := v.Interface().(ast.Node); ok {
		if p := n.Position(); p.Line > 0 {
			fmt.Fprintf(b, " %d:%d", p.Line, p.Column)
		}
	}
	for _, nested := range []bool{false, true} {
		for i := range v.NumField() {
			if f := v.Field(i); v.Type().Field(i).Name != "Pos" && !f.IsZero() && isNested(f) == nested {
				dumpField(b, v.Type().Field(i).Name, f, depth)
			}
		}
	}
}

// isNested reports what is shown below its parent's line.
func isNested(f reflect.Value) bool {
	if _, ok := f.Interface().(ast.ObjectName); ok {
		return false
	}
	return deref(f).Kind() == reflect.Struct || f.Kind() == reflect.Slice && f.Type().Elem().Kind() != reflect.Uint8
}

func dumpField(b *strings.Builder, name string, f reflect.Value, depth int) {
	switch {
	case !isNested(f):
		fmt.Fprintf(b, " %s=", name)
		dumpValue(b, f, depth+1)
	case f.Kind() == reflect.Slice:
		fmt.Fprintf(b, "\n%s%s:", strings.Repeat("  ", depth+1), name)
		dumpValue(b, f, depth+2)
	default:
		fmt.Fprintf(b, "\n%s%s: ", strings.Repeat("  ", depth+1), name)
		dumpValue(b, f, depth+1)
	}
}

func deref(v reflect.Value) reflect.Value {
	for (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) && !v.IsNil() {
		v = v.Elem()
	}
	return v
}
