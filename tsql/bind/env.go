package bind

import (
	"linkspan/catalog"
	"linkspan/rel"
	"linkspan/sqltype"
)

// Env is what a statement is bound against. All of it is one moment: the snapshot MUST be that of the SQLite
// transaction in which the plan will run, and a cached plan is good only while Snapshot.Version (and Temp's) stay.
type Env struct {
	// Database is the current database as the instance spells it.
	Database string
	// Snapshot is the schema of the current database.
	Snapshot *catalog.Snapshot
	// Temp holds the session's temporary tables and table variables under their names with # or @ ("#t", "@t"), in
	// schema dbo; nil when it has none. Its SQLSchema tells under which name they are attached.
	Temp *catalog.Snapshot
	// Views are the views of the current database and the instance ("sys", "databases"); nil means none.
	Views rel.Views
	// Other gives the schema and views of another database for three-part names. The snapshot may be nil when only
	// views can be read there (master, msdb); nil for the func means no other database can be reached. An error is an
	// *sqlerr.Error (911, 942 …).
	Other func(database string) (*catalog.Snapshot, rel.Views, error)
	// Variable gives the type of a local variable, named with its @ as written.
	Variable func(name string) (sqltype.Type, bool)
	// DefaultSchema resolves one-part names; "" means dbo.
	DefaultSchema string
	// IdentityInsert is the number of the table with SET IDENTITY_INSERT ON, or 0.
	IdentityInsert int32
	// Procedure is the procedure or function being bound, for the messages of errors, or "".
	Procedure string
	// AnsiNullsOff is SET ANSI_NULLS OFF: x = NULL is true for a NULL x.
	AnsiNullsOff bool
}

func (e *Env) variable(name string) (sqltype.Type, bool) {
	if e.Variable == nil {
		return sqltype.Type{}, false
	}
	return e.Variable(name)
}

func (e *Env) schema() string {
	if e.DefaultSchema == "" {
		return "dbo"
	}
	return e.DefaultSchema
}
