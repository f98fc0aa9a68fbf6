package exec

import (
	"context"

	"linkspan/catalog"
	"linkspan/rel"
	"linkspan/sqlapi"
	"linkspan/sqltype"
	"linkspan/storage"
	"linkspan/tsql/ast"
)

// Database is one database as sessions use it.
type Database interface {
	ID() int
	Name() string
	// Storage gives the open storage, or the *sqlerr.Error of whoever uses the database now: 927, 942, 976, ….
	Storage() (*storage.DB, error)
	// Catalog and Identities belong to the storage; they are asked for after Storage gave no error.
	Catalog() *catalog.Cache
	Identities() *catalog.Identities
	// ReadOnly tells that writes are refused (3906).
	ReadOnly() bool
	// Views are the views of the database and of the instance.
	Views() rel.Views
}

// Databases finds databases by name. Names compare as the instance compares them.
type Databases interface {
	// Enter makes the session a user of the database until Leave; 911, 916, 927 … say why not.
	Enter(name string, c Caller) (Database, error)
	Leave(d Database)
	// Find looks without entering, for names of three parts.
	Find(name string) (Database, error)
}

// Caller is who runs a statement, for those who serve it.
type Caller struct {
	// Session is @@SPID.
	Session int
	// Login is what the session presented, without its password.
	Login *sqlapi.Login
	// Principal is the number of the login that the session is now: after EXECUTE AS another one than that it began with.
	// 0 is the server itself.
	Principal int
	// User is the database user of EXECUTE AS USER, in the database UserDatabase; "" otherwise.
	User         string
	UserDatabase int
	// Database is the session's current one.
	Database   string
	DatabaseID int
	// InTransaction tells that a user transaction is open.
	InTransaction bool
	// Snapshot is the schema of the current database as the running statement sees it; nil outside functions.
	Snapshot *catalog.Snapshot
}

// Admin runs the statements about the instance: those of ast's database.go (but USE), trust.go, group.go and
// security.go, and DBCC. Variables in them are replaced by their values. The result goes to out: rows, messages; the
// caller adds the Done. An error is an *sqlerr.Error with its number, or what ends the session.
type Admin interface {
	Run(ctx context.Context, c Caller, s ast.Statement, out sqlapi.ResultSink) error
}

// Procedures finds the procedures that the server brings along (sp_helpdb, sp_get_endpoint_certificate).
type Procedures interface {
	// Procedure returns the procedure of a name, or nil. Names compare without case.
	Procedure(name string) *Procedure
}

// Procedure is a procedure written in Go.
type Procedure struct {
	Name   string
	Params []Param
	// Run does it. args has a value for each of Params, of its type; what it leaves there is handed back to OUTPUT
	// arguments. The status is what RETURN would give. Nil when Statements is all there is.
	Run func(ctx context.Context, c Caller, args []sqltype.Value, out sqlapi.ResultSink) (status int32, err error)
	// Statements, when set, gives statements that run after Run, in the current database and the open transaction.
	Statements func(ctx context.Context, c Caller, args []sqltype.Value) ([]ast.Statement, error)
}

// Param is a parameter of a Procedure.
type Param struct {
	Name string // with its @
	Type sqltype.Type
	// Optional parameters get Default when they are not given.
	Optional bool
	Default  sqltype.Value
	Output   bool
}

// Functions answers the functions about server and catalog that the session does not answer itself (sqlfn's host
// table): SERVERPROPERTY, CERT_ID, SUSER_SNAME and so on.
type Functions interface {
	Function(ctx context.Context, c Caller, name string, args []sqltype.Value) (sqltype.Value, error)
}
