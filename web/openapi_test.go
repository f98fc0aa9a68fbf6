package web

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "write the OpenAPI document anew")

// m is a JSON object.
type m = map[string]any

// TestOpenAPI holds the document to the table of routes and to the Go types, with what their comments say.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	b := &book{schemas: m{}, sources: map[string]*source{}}
	data, err := json.MarshalIndent(b.document(), "", "  ")
	if err != nil || b.err != nil {
		t.Fatal(err, b.err)
	}
	data = append(data, '\n')
	for _, file := range []string{"openapi.json", filepath.Join("..", "docs", "openapi.json")} {
		if *rewrite {
			if err := os.WriteFile(file, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		have, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, data) {
			t.Errorf("%s is not what routes and types say: run go test ./web -run TestOpenAPI -rewrite, and read the difference", file)
		}
	}
	for name, s := range b.schemas {
		if s.(m)["description"] == nil && s.(m)["enum"] == nil {
			t.Errorf("the schema %s has no description: its type has no comment", name)
		}
	}
}

// Every kind of problem that a route names has a title.
func TestProblemKinds(t *testing.T) {
	t.Parallel()
	for _, r := range routes() {
		for status, kinds := range r.problems {
			for kind := range strings.SplitSeq(kinds, ", ") {
				if problemTitles[kind] == "" || http.StatusText(status) == "" {
					t.Errorf("%s: %d %s", r.id, status, kind)
				}
			}
		}
	}
}

// book collects schemas and the comments of the source.
type book struct {
	schemas m
	sources map[string]*source
	err     error
}

func (b *book) document() m {
	paths := m{}
	for _, r := range routes() {
		p, ok := paths[r.path].(m)
		if !ok {
			p = m{}
			paths[r.path] = p
		}
		p[strings.ToLower(r.method)] = b.operation(r)
	}
	b.schema(reflect.TypeFor[Problem]())
	return m{
		"openapi": "3.1.0",
		"info": m{"title": "Linkspan migrations", "version": "1",
			"description": "Migrations by backups as a service: \"linkspan serve\". docs/serve.md says how it is run, docs/migrate.md what a migration does. " +
				"Answers to errors are problem documents (RFC 9457); type tells programs what it is. " +
				"A POST with the header Idempotency-Key is served once: sent again within a day, it is answered as before."},
		"paths":    paths,
		"security": []any{m{"bearer": []any{}}},
		"components": m{"schemas": b.schemas, "securitySchemes": m{"bearer": m{"type": "http", "scheme": "bearer",
			"description": "A token of the role viewer or operator, made with \"linkspan serve token\"."}}},
	}
}

func (b *book) operation(r route) m {
	role := string(r.role)
	op := m{"operationId": r.id, "summary": r.about, "x-role": role}
	if r.role == Anyone {
		op["security"] = []any{}
		delete(op, "x-role")
	}
	var params []any
	for part := range strings.SplitSeq(r.path, "/") {
		if strings.HasPrefix(part, "{") {
			params = append(params, m{"name": strings.Trim(part, "{}"), "in": "path", "required": true, "schema": m{"type": "string"}, "description": "the activity's name"})
		}
	}
	for _, q := range r.query {
		s := m{"type": q.kind}
		if q.many {
			s = m{"type": "array", "items": s}
		}
		params = append(params, m{"name": q.name, "in": "query", "schema": s, "description": q.about})
	}
	if r.method == http.MethodPost {
		params = append(params, m{"name": keyHeader, "in": "header", "schema": m{"type": "string", "maxLength": keyLength}, "description": "the same for a request that is sent again"})
	}
	if params != nil {
		op["parameters"] = params
	}
	if r.takes != nil {
		content := m{"application/json": m{"schema": b.schema(reflect.TypeOf(r.takes))}}
		if r.yaml {
			content["application/yaml"] = m{"schema": m{"type": "string", "description": "the spec as it is"}}
		}
		op["requestBody"] = m{"content": content, "required": r.yaml}
	}
	op["responses"] = b.responses(r)
	return op
}

func (b *book) responses(r route) m {
	out := m{}
	success := m{"description": http.StatusText(r.status)}
	switch {
	case r.text != "":
		success["content"] = m{r.text: m{"schema": m{"type": "string"}}}
	case r.gives != nil:
		success["content"] = m{"application/json": m{"schema": b.schema(reflect.TypeOf(r.gives))}}
	}
	out[strconv.Itoa(r.status)] = success
	for status, about := range r.also {
		also := m{"description": about}
		if status == http.StatusOK {
			also["content"] = success["content"]
		}
		out[strconv.Itoa(status)] = also
	}
	problems := maps.Clone(r.problems)
	if problems == nil {
		problems = map[int]string{}
	}
	if r.role != Anyone {
		problems[http.StatusUnauthorized], problems[http.StatusForbidden], problems[http.StatusTooManyRequests] = "unauthorized", "forbidden", "busy"
	}
	if r.takes != nil {
		problems[http.StatusBadRequest], problems[http.StatusRequestEntityTooLarge], problems[http.StatusUnsupportedMediaType] = "bad-request", "too-large", "unsupported-media"
	}
	if r.query != nil {
		problems[http.StatusBadRequest] = "bad-request"
	}
	for status, kinds := range problems {
		out[strconv.Itoa(status)] = m{"description": kinds, "content": m{"application/problem+json": m{"schema": m{"$ref": "#/components/schemas/Problem"}}}}
	}
	out["default"] = m{"description": "any other problem", "content": m{"application/problem+json": m{"schema": m{"$ref": "#/components/schemas/Problem"}}}}
	return out
}

// schema describes a type; structs and enumerations are named components.
func (b *book) schema(t reflect.Type) m {
	ours := strings.HasPrefix(t.PkgPath(), "linkspan/")
	switch {
	case t == reflect.TypeFor[time.Time]():
		return m{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[time.Duration]():
		return m{"type": "integer", "description": "nanoseconds"}
	case t.Kind() == reflect.Pointer:
		return b.schema(t.Elem())
	case t.Kind() == reflect.Slice:
		return m{"type": "array", "items": b.schema(t.Elem())}
	case t.Kind() == reflect.Map:
		s := m{"type": "object"}
		if t.Elem().Kind() != reflect.Interface {
			s["additionalProperties"] = b.schema(t.Elem())
		}
		return s
	case t.Kind() == reflect.Struct && ours:
		return b.component(t, b.object)
	case t.Kind() == reflect.String && ours:
		return b.component(t, b.enumeration)
	case t.Kind() == reflect.String:
		return m{"type": "string"}
	case t.Kind() == reflect.Bool:
		return m{"type": "boolean"}
	case t.Kind() == reflect.Float64:
		return m{"type": "number"}
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		return m{"type": "integer"}
	}
	b.err = fmt.Errorf("no schema for %s", t)
	return m{}
}

func (b *book) component(t reflect.Type, make func(reflect.Type) m) m {
	if b.schemas[t.Name()] == nil {
		b.schemas[t.Name()] = m{} // for types that hold themselves
		b.schemas[t.Name()] = make(t)
	}
	return m{"$ref": "#/components/schemas/" + t.Name()}
}

func (b *book) object(t reflect.Type) m {
	src := b.source(t.PkgPath())
	properties, required := m{}, []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			b.err = fmt.Errorf("%s.%s has no name in JSON", t, f.Name)
			continue
		}
		s := b.schema(f.Type)
		if about := src.comments[t.Name()+"."+f.Name]; about != "" {
			s["description"] = about
		}
		properties[name] = s
		if options == "" {
			required = append(required, name)
		}
	}
	s := m{"type": "object", "properties": properties}
	if about := src.comments[t.Name()]; about != "" {
		s["description"] = about
	}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

func (b *book) enumeration(t reflect.Type) m {
	src := b.source(t.PkgPath())
	s := m{"type": "string"}
	if values := src.constants[t.Name()]; len(values) > 0 {
		s["enum"] = values
	}
	if about := src.comments[t.Name()]; about != "" {
		s["description"] = about
	}
	return s
}

// source is what a package's text says of its types.
type source struct {
	comments  map[string]string   // of Type and Type.Field
	constants map[string][]string // by type
}

func (b *book) source(path string) *source {
	if s := b.sources[path]; s != nil {
		return s
	}
	s := &source{map[string]string{}, map[string][]string{}}
	b.sources[path] = s
	dir := filepath.Join("..", filepath.FromSlash(strings.TrimPrefix(path, "linkspan/")))
	names, err := fs.Glob(os.DirFS(dir), "*.go")
	if err != nil || len(names) == 0 {
		b.err = fmt.Errorf("no source in %s: %w", dir, err)
	}
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.ParseComments)
		if err != nil {
			b.err = err
			return s
		}
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok {
				s.read(g)
			}
		}
	}
	return s
}

func (s *source) read(g *ast.GenDecl) {
	for _, spec := range g.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			doc := spec.Doc
			if doc == nil {
				doc = g.Doc
			}
			s.comments[spec.Name.Name] = oneLine(doc)
			if st, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range st.Fields.List {
					for _, n := range f.Names {
						s.comments[spec.Name.Name+"."+n.Name] = oneLine(f.Doc)
					}
				}
			}
		case *ast.ValueSpec:
			if id, ok := spec.Type.(*ast.Ident); ok && g.Tok == token.CONST && len(spec.Values) == 1 {
				if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if v, err := strconv.Unquote(lit.Value); err == nil && !slices.Contains(s.constants[id.Name], v) {
						s.constants[id.Name] = append(s.constants[id.Name], v)
					}
				}
			}
		}
	}
}

func oneLine(doc *ast.CommentGroup) string { return strings.Join(strings.Fields(doc.Text()), " ") }
