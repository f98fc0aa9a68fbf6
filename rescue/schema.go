package rescue

import (
	"linkspan/catalog"
	"linkspan/rel"
)

// changes lists the definitions that differ, in an order in which their statements can run.
func changes(fork, tail *catalog.Snapshot) []*Change {
	var out []*Change
	for _, s := range tail.Schemas() {
		if !hasSchema(fork, s) {
			out = append(out, &Change{What: "created", Kind: "schema", Schema: s.Name, Name: s.Name, Before: []string{"CREATE SCHEMA " + quoteName(s.Name)}})
		}
	}
	out = append(out, droppedModules(fork, tail)...)
	out = append(out, foreignKeys(fork, tail, "dropped")...)
	for _, o := range fork.Objects() {
		t := tail.ObjectByID(o.ID)
		switch {
		case o.Table == nil:
		case t == nil || t.Table == nil:
			out = append(out, &Change{What: "dropped", Kind: "table", Schema: o.Schema, Name: o.Name, Before: []string{"DROP TABLE " + quoted(o.Table)}})
		default:
			if c := alteration(o.Table, t.Table); c != nil {
				out = append(out, c)
			}
		}
	}
	for _, o := range tail.Objects() {
		if f := fork.ObjectByID(o.ID); o.Table != nil && (f == nil || f.Table == nil) {
			out = append(out, creation(o.Table))
		}
	}
	out = append(out, foreignKeys(tail, fork, "created")...)
	out = append(out, freshModules(fork, tail)...)
	for _, s := range fork.Schemas() {
		if !hasSchema(tail, s) {
			out = append(out, &Change{What: "dropped", Kind: "schema", Schema: s.Name, Name: s.Name, After: []string{"DROP SCHEMA " + quoteName(s.Name)}})
		}
	}
	return append(out, principals(fork, tail)...)
}

func hasSchema(in *catalog.Snapshot, s *catalog.Schema) bool {
	for _, x := range in.Schemas() {
		if x.ID == s.ID {
			return true
		}
	}
	return false
}

// foreignKeys lists those that here has and there has not; what says which way that is.
func foreignKeys(here, there *catalog.Snapshot, what string) []*Change {
	var out []*Change
	for _, o := range here.Objects() {
		if o.Table == nil {
			continue
		}
		for _, f := range o.Table.Foreign {
			if there.ObjectByID(f.ID) != nil {
				continue
			}
			c := &Change{What: what, Kind: "foreign key", Schema: o.Schema, Name: o.Name}
			if what == "dropped" {
				c.Before = []string{"ALTER TABLE " + quoted(o.Table) + " DROP CONSTRAINT " + quoteName(f.Name)}
			} else if target := here.ObjectByID(f.Target); target != nil && target.Table != nil {
				c.After = []string{addForeign(o.Table, target.Table, f)}
			}
			out = append(out, c)
		}
	}
	return out
}

// moduleWords are the words that DROP takes for the kinds of modules whose texts can be run.
var moduleWords = map[catalog.Kind]string{catalog.View: "view", catalog.Procedure: "procedure", catalog.Scalar: "function", catalog.InlineTable: "function"}

func dropModule(o *catalog.Object) string {
	return "DROP " + moduleWords[o.Kind] + " " + quoteName(o.Schema) + "." + quoteName(o.Name)
}

// sameModule reports whether a module is as it was, name included.
func sameModule(a, b *catalog.Object) bool {
	return a.Text == b.Text && a.Schema == b.Schema && a.Name == b.Name && a.Kind == b.Kind
}

// droppedModules go first, since they may be bound to tables; those that are altered are made anew at the end.
func droppedModules(fork, tail *catalog.Snapshot) []*Change {
	var out []*Change
	for _, o := range fork.Objects() {
		t := tail.ObjectByID(o.ID)
		if moduleWords[o.Kind] == "" || t != nil && sameModule(o, t) {
			continue
		}
		c := &Change{What: "dropped", Kind: moduleWords[o.Kind], Schema: o.Schema, Name: o.Name, Before: []string{dropModule(o)}}
		if t != nil {
			c.What, c.After, c.Schema, c.Name = "altered", []string{t.Text}, t.Schema, t.Name
		}
		out = append(out, c)
	}
	return out
}

func freshModules(fork, tail *catalog.Snapshot) []*Change {
	var out []*Change
	for _, o := range tail.Objects() {
		if f := fork.ObjectByID(o.ID); moduleWords[o.Kind] != "" && f == nil {
			out = append(out, &Change{What: "created", Kind: moduleWords[o.Kind], Schema: o.Schema, Name: o.Name, After: []string{o.Text}})
		}
	}
	return out
}

// principals tells of users and roles that came or went; what they were allowed is not in the file.
func principals(fork, tail *catalog.Snapshot) []*Change {
	var out []*Change
	for _, way := range []struct {
		what        string
		here, there *catalog.Snapshot
	}{{"created", tail, fork}, {"dropped", fork, tail}} {
		for _, p := range way.here.Principals() {
			if way.there.Principal(p.Name) == nil {
				out = append(out, &Change{What: way.what, Kind: "principal", Name: p.Name, Note: "make or drop it by hand; its permissions are not in this file"})
			}
		}
	}
	return out
}

// makeRoom lists what has to stand aside for the rows: foreign keys of the tables that changed; and sets identity values
// afterwards. These are no differences by themselves.
func (d *differ) makeRoom(touched map[int32]bool) ([]*Change, error) {
	var out []*Change
	for _, o := range d.tail.Catalog.Objects() {
		if o.Table == nil {
			continue
		}
		for _, f := range o.Table.Foreign {
			if d.fork.Catalog.ObjectByID(f.ID) == nil || f.Disabled || !touched[f.Table] && !touched[f.Target] {
				continue
			}
			with := "WITH CHECK "
			if f.NotTrusted {
				with = ""
			}
			alter := "ALTER TABLE " + quoted(o.Table) + " "
			out = append(out, &Change{What: "kept", Kind: "foreign key", Schema: o.Schema, Name: o.Name,
				Before: []string{alter + "NOCHECK CONSTRAINT " + quoteName(f.Name)}, After: []string{alter + with + "CHECK CONSTRAINT " + quoteName(f.Name)}})
		}
		c, err := d.identity(o.Table)
		if err != nil {
			return nil, err
		}
		if c != nil {
			out = append(out, c)
		}
	}
	return out, nil
}

// identity sets the current identity value where it is not what it was.
func (d *differ) identity(t *rel.Table) (*Change, error) {
	if t.Identity < 0 {
		return nil, nil
	}
	var none *catalog.Identities
	last, used, err := none.Current(d.tail.Conn, d.tail.Catalog.SQLSchema, t)
	if err != nil {
		return nil, d.tail.Conn.Cause(err)
	}
	was, wasUsed := t.Columns[t.Identity].Seed, false
	if f := d.fork.Catalog.ObjectByID(t.ID); f != nil && f.Table != nil && f.Table.Identity >= 0 {
		if was, wasUsed, err = none.Current(d.fork.Conn, d.fork.Catalog.SQLSchema, f.Table); err != nil {
			return nil, d.fork.Conn.Cause(err)
		}
	}
	if last == was && used == wasUsed {
		return nil, nil
	}
	if !used {
		last -= t.Columns[t.Identity].Increment
	}
	return &Change{What: "kept", Kind: "identity", Schema: t.Schema, Name: t.Name, After: []string{reseed(t, last)}}, nil
}
