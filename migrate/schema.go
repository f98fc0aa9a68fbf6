package migrate

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"
)

// schema is the part of JSON Schema that a spec needs.
type schema struct {
	Version     string             `json:"$schema,omitempty"`
	Title       string             `json:"title,omitempty"`
	Description string             `json:"description,omitempty"`
	Type        string             `json:"type"`
	Enum        []string           `json:"enum,omitempty"`
	Pattern     string             `json:"pattern,omitempty"`
	Items       *schema            `json:"items,omitempty"`
	Properties  map[string]*schema `json:"properties,omitempty"`
	Required    []string           `json:"required,omitempty"`
	// Additional is false for objects: unknown keys are refused.
	Additional *bool `json:"additionalProperties,omitempty"`
}

// Schema is the JSON schema (2020-12) of a spec, made of the types.
func Schema() []byte {
	s := describe(reflect.TypeFor[Spec]())
	s.Version, s.Title = "https://json-schema.org/draft/2020-12/schema", "linkspan migrate"
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil // the type above has nothing that cannot be written
	}
	return append(data, '\n')
}

func describe(t reflect.Type) *schema {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return &schema{Type: "string", Pattern: `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`}
	case t.Kind() == reflect.Slice:
		return &schema{Type: "array", Items: describe(t.Elem())}
	case t.Kind() == reflect.Struct:
		closed := false
		s := &schema{Type: "object", Properties: map[string]*schema{}, Additional: &closed}
		s.fields(t)
		return s
	case t.Kind() == reflect.Bool:
		return &schema{Type: "boolean"}
	case t.Kind() == reflect.Int:
		return &schema{Type: "integer"}
	}
	return &schema{Type: "string"}
}

// fields adds the keys of a struct, and of those it holds inline.
func (s *schema) fields(t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		key, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if option == "inline" {
			s.fields(f.Type)
			continue
		}
		p := describe(f.Type)
		p.Description = f.Tag.Get("about")
		if e := f.Tag.Get("enum"); e != "" {
			p.Enum = strings.Split(e, ",")
		}
		s.Properties[key] = p
		if f.Tag.Get("need") != "" {
			s.Required = append(s.Required, key)
		}
	}
}
