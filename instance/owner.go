package instance

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"linkspan/catalog"
	"linkspan/rel"
	"linkspan/storage"
	"linkspan/storage/btree"
)

// PageOwners implements hadr.Databases.
func (r registry) PageOwners(ctx context.Context, name string, pages []uint32) map[uint32]string {
	db, release, err := r.Inspect(name)
	if err != nil {
		return nil
	}
	defer release()
	found, err := db.PageOwners(ctx, pages)
	if err != nil {
		r.in.opts.Log.Warn("not every page's table could be found", "database", name, "error", err)
	}
	names := map[uint32]string{}
	objects := ownerNames(ctx, db)
	for no, o := range found {
		if text := objects.of(o); text != "" {
			names[no] = text
		}
	}
	return names
}

// objectNames are the names of a database's tables and indexes by those that the row store knows them under.
type objectNames map[string]string

// ownerNames reads them; they are missing where the catalog itself cannot be read.
func ownerNames(ctx context.Context, db *storage.DB) objectNames {
	names := objectNames{}
	conn, err := db.Reader(ctx)
	if err != nil {
		return names
	}
	defer conn.Release()
	if _, err := conn.Begin(); err != nil {
		return names
	}
	snap, err := catalog.Load(conn, "")
	if err != nil {
		return names
	}
	for _, o := range snap.Objects() {
		if o.Table != nil {
			names.add(o.Table)
		}
	}
	return names
}

func (n objectNames) add(t *rel.Table) {
	table := "table " + t.Schema + "." + t.Name
	n["t_"+strconv.Itoa(int(t.ID))] = table
	for _, x := range t.Indexes {
		index := "index " + x.Name + " of " + table
		n["i_"+strconv.Itoa(int(x.ID))] = index
		n["i_"+strconv.Itoa(int(x.ID))+"n"] = index
	}
}

// of says whose the page is; "" when nobody knows.
func (n objectNames) of(o btree.Owner) string {
	name := n[o.Name]
	if name == "" {
		name = n[o.Table] // an index that belongs to the table itself
	}
	switch {
	case o.Part == btree.Free:
		return "a free page, which no table uses"
	case o.Part == btree.Map:
		return "bookkeeping of pages, which is no table's"
	case o.Part == btree.Unknown:
		return ""
	case name == "" && (o.Name == btree.Schema || strings.HasPrefix(o.Table, "sys_")):
		return fmt.Sprintf("the system catalog, %s", o.Name)
	case name == "":
		return o.Kind + " " + o.Name // the catalog cannot be read
	case o.Part == btree.Overflow:
		return name + ", overflow page"
	case o.Part == btree.Interior:
		return name + ", page above the leaves"
	}
	return name
}
