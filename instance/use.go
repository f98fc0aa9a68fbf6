package instance

import (
	"context"

	"linkspan/catalog"
	"linkspan/rel"
	"linkspan/sqlerr"
	"linkspan/tsql/exec"
)

// Enter implements exec.Databases: the session counts as a user, so that the database is not dropped under it.
func (in *Instance) Enter(name string, c exec.Caller) (exec.Database, error) {
	d, err := in.Find(name)
	if err != nil {
		return nil, err
	}
	if err := in.mayEnter(context.Background(), c, d); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dropped {
		return nil, sqlerr.New(911, name)
	}
	if _, err := d.storageLocked(); err != nil {
		return nil, err
	}
	if err := d.admitLocked(c); err != nil {
		return nil, err
	}
	d.users++
	return d, nil
}

// Leave implements exec.Databases.
func (in *Instance) Leave(x exec.Database) {
	d, ok := x.(*Database)
	if !ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.users--
}

// lookup adapts an Instance to exec.Databases, whose Find gives the interface.
type lookup struct{ *Instance }

// Find implements exec.Databases.
func (l lookup) Find(name string) (exec.Database, error) {
	d, err := l.Instance.Find(name)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Catalog implements exec.Database.
func (d *Database) Catalog() *catalog.Cache { d.mu.RLock(); defer d.mu.RUnlock(); return d.cache }

// Identities implements exec.Database.
func (d *Database) Identities() *catalog.Identities {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.identities
}

// ReadOnly implements exec.Database.
func (d *Database) ReadOnly() bool { return d.readOnly() }

// Views implements exec.Database.
func (d *Database) Views() rel.Views { return databaseViews{d} }

// databaseViews are the views of a database: msdb's own and the instance's. Those over its catalog are the session's to add.
type databaseViews struct{ d *Database }

// View implements rel.Views.
func (v databaseViews) View(schema, name string) *rel.View {
	if v.d.ID() == msdbID {
		if w := v.d.in.msdb.View(schema, name); w != nil {
			return w
		}
	}
	if w := v.d.in.views.View(schema, name); w != nil {
		return w
	}
	return nil
}
