package mdf

import (
	"cmp"
	"slices"
	"strings"

	"linkspan/sqltype"
)

// Module is a view, procedure, function or trigger.
type Module struct {
	Schema, Name string
	// Kind is "VIEW", "PROCEDURE", "FUNCTION" or "TRIGGER".
	Kind string
	// Table is the table or view of a trigger.
	Table string
	// Text is the definition; "" when it is encrypted or not T-SQL.
	Text string
}

// Principal is a user or role of the database.
type Principal struct {
	Name string
	// Kind is sysowners' letter: S SQL user, U Windows user, G Windows group, R database role, A application role, …
	Kind   string
	Schema string
	SID    []byte
}

// Property is an extended property.
type Property struct {
	// On names what it stands at: "", "dbo", "dbo.Orders" or "dbo.Orders.Freight".
	On, Name string
	Value    sqltype.Value
}

var moduleKinds = map[string]string{"V": "VIEW", "P": "PROCEDURE", "FN": "FUNCTION", "IF": "FUNCTION", "TF": "FUNCTION", "TR": "TRIGGER",
	"PC": "PROCEDURE", "FS": "FUNCTION", "FT": "FUNCTION", "TA": "TRIGGER"}

// definitionClass is sysobjvalues' class of definitions.
const definitionClass = 1

// readModules reads definitions: of modules, checks, defaults and computed columns.
func (d *Database) readModules() error {
	err := d.each("sysobjvalues", func(r systemRow) error {
		o := d.objects[r.int("objid")]
		if o == nil || r.int("valclass") != definitionClass || r.int("valnum") != 0 {
			return nil
		}
		text := definition(r.value("imageval"))
		if o.table != nil {
			d.computed(o.table, r.int("subobjid"), text)
		} else if r.int("subobjid") <= 1 {
			o.text = text
		}
		return nil
	})
	for _, o := range d.objects {
		d.define(o)
	}
	slices.SortFunc(d.Modules, func(a, b Module) int {
		return cmp.Or(strings.Compare(a.Schema, b.Schema), strings.Compare(a.Name, b.Name))
	})
	return err
}

// definition reads the text of a definition: one byte a character when all fit, UTF-16 otherwise.
func definition(v sqltype.Value) string {
	b := []byte(v.S)
	if len(b) >= 2 && len(b)%2 == 0 && (b[1] == 0 || len(b) >= 4 && b[3] == 0) {
		return utf16String(b)
	}
	return codePage(0).text(b)
}

func (d *Database) computed(t *Table, column int, text string) {
	for i := range t.Columns {
		if c := &t.Columns[i]; c.id == column && c.status&columnComputed != 0 {
			c.Computed = text
		}
	}
}

// define puts the definition of o where it belongs.
func (d *Database) define(o *object) {
	if kind := moduleKinds[o.typ]; kind != "" && !o.shipped {
		m := Module{Schema: d.schemaOf(o), Name: o.name, Kind: kind, Text: o.text}
		if p := d.objects[o.parent]; p != nil && kind == "TRIGGER" {
			m.Table = d.schemaOf(p) + "." + p.name
		}
		d.Modules = append(d.Modules, m)
		return
	}
	t := d.table(o.parent)
	if t == nil {
		return
	}
	switch o.typ {
	case "C":
		t.Checks = append(t.Checks, Constraint{Name: o.name, Text: o.text, Column: d.columnName(o.parent, o.property)})
		slices.SortFunc(t.Checks, func(a, b Constraint) int { return strings.Compare(a.Name, b.Name) })
	case "D":
		for i := range t.Columns {
			if c := &t.Columns[i]; c.defaultID == o.id {
				c.Default, c.DefaultName = o.text, o.name
			}
		}
	}
}

func (d *Database) readPrincipals() error {
	err := d.each("sysowners", func(r systemRow) error {
		d.Principals = append(d.Principals, Principal{Name: r.text("name"), Kind: strings.TrimSpace(r.text("type")), Schema: r.text("dfltsch"), SID: r.value("sid").Bytes()})
		return nil
	})
	slices.SortFunc(d.Principals, func(a, b Principal) int { return strings.Compare(a.Name, b.Name) })
	return err
}

// Classes of sysxprops.
const (
	onDatabase = 0
	onObject   = 1
	onSchema   = 3
)

func (d *Database) readProperties() error {
	err := d.each("sysxprops", func(r systemRow) error {
		p := Property{Name: r.text("name"), Value: r.value("value")}
		switch id := r.int("id"); r.int("class") {
		case onDatabase:
		case onSchema:
			p.On = d.schemas[id]
		case onObject:
			o := d.objects[id]
			if o == nil || o.shipped {
				return nil
			}
			p.On = d.schemaOf(o) + "." + o.name
			if c := d.columnName(id, r.int("subid")); c != "" {
				p.On += "." + c
			}
		default:
			return nil
		}
		d.Properties = append(d.Properties, p)
		return nil
	})
	slices.SortFunc(d.Properties, func(a, b Property) int { return cmp.Or(strings.Compare(a.On, b.On), strings.Compare(a.Name, b.Name)) })
	return err
}

// finish sorts what was found in no order.
func (d *Database) finish() {
	slices.SortFunc(d.Tables, func(a, b *Table) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Schema), strings.ToLower(b.Schema)), strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)))
	})
}
