package bind

import (
	"slices"

	"linkspan/catalog"
)

// need is a permission that the statement needs, while it is bound.
type need struct {
	catalog.Need
	// lazy needs count only when a column is read: those to SELECT from what a statement changes.
	lazy bool
}

// nobody, as the owner of the text that is bound, asks for nothing: defaults, checks and computed columns.
const nobody = -1

// asks notes that a permission on an object is needed, unless the text around belongs to the owner of the object.
func (b *binder) asks(permission string, o *catalog.Object, snap *catalog.Snapshot) *need {
	if o == nil || snap == nil || snap == b.env.Temp || b.within == nobody {
		return nil
	}
	owner := snap.OwnerOf(o)
	if b.within == owner {
		return nil
	}
	n := &need{Need: catalog.Need{Permission: permission, Object: o, Owner: owner}}
	b.shared.needs = append(b.shared.needs, n)
	return n
}

// asksView notes that a view of the server is read.
func (b *binder) asksView(r relation) {
	n := &need{Need: catalog.Need{View: r.view.Name}}
	if b.fold(r.database) != b.fold(b.env.Database) {
		n.Database = r.database
	}
	b.shared.needs = append(b.shared.needs, n)
}

// use notes a column that a need is about.
func (n *need) use(column int32) {
	if n != nil && !slices.Contains(n.Columns, column) {
		n.Columns = append(n.Columns, column)
	}
}

// needed lists what the statement needs.
func (s *shared) needed() []catalog.Need {
	var list []catalog.Need
	for _, n := range s.needs {
		if !n.lazy || len(n.Columns) > 0 {
			list = append(list, n.Need)
		}
	}
	return list
}
