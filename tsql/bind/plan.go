package bind

import (
	"context"
	"iter"
	"time"

	"linkspan/catalog"
	"linkspan/rel"
	"linkspan/sqlapi"
	"linkspan/sqltype"
	"linkspan/tsql/sqlfn"
)

// Verb says what a plan does, and so which command its Done carries.
type Verb uint8

// The verbs.
const (
	Select Verb = iota + 1
	Assign      // SELECT @a = …
	SelectInto
	Insert
	Update
	Delete
	Merge
	Truncate
)

// Plan is a bound statement. It holds no connection and no values: the same plan runs any number of times, on any
// connection, as long as the schema has the versions it was bound against. It is immutable and may be shared.
type Plan struct {
	Verb Verb
	// SQL is the SQLite text of the main query, for the curious and for tests; Run is what executes a plan.
	SQL string
	// Args are the values bound to SQL's parameters ?1, ?2, …
	Args []Arg
	// Columns describe the rows that Run yields: the result set of a SELECT or of an OUTPUT clause. Empty when there
	// is none.
	Columns []sqlapi.Column
	// Assign holds, for the verb Assign, the variable for each of Columns, with its @; the value of the column is
	// already of the variable's type. Each row yielded is assigned in order (the last one wins, none leaves them).
	Assign []string
	// Writes tells that the plan needs the writer connection.
	Writes bool
	// WritesTemp tells that it writes a temporary table or table variable only (Writes is false then).
	WritesTemp bool
	// Defines tells that the plan changes the schema (SELECT INTO, TRUNCATE): caches are stale afterwards.
	Defines bool
	// Table is what the plan writes, or nil.
	Table *rel.Table
	// Needs are the permissions that whoever runs it must have.
	Needs []catalog.Need
	// Into is the schema of the table that SELECT INTO makes in the database; "" otherwise.
	Into string
	// Line is the statement's line in its batch, for errors that get none elsewhere.
	Line int
	// Sites go into sqlfn.Statement.Sites when the statement begins.
	Sites []sqlfn.Site

	run    func(ctx context.Context, p *Plan, r *Run) (Outcome, error)
	checks []*violation
}

// ArgKind says where an argument's value comes from.
type ArgKind uint8

// The kinds of arguments.
const (
	ConstArg    ArgKind = iota // Value
	VarArg                     // the local variable Name
	GlobalArg                  // the @@ variable Name, in lower case
	InputArg                   // a value that the plan itself supplies while it runs
	identityArg                // the counter that ls_identity draws from
)

// Arg is one parameter of a plan's SQL.
type Arg struct {
	Kind  ArgKind
	Name  string
	Value sqltype.Value
	n     int // of an InputArg: which value
	// Type is what the value is converted to (it already is of that type for constants) and bound as.
	Type sqltype.Type
}

// Run is one execution of a plan. BEFORE Plan.Run the caller has begun the statement on the connection
// (sqlfn.Env.Begin) and holds the transaction; AFTER it, it ends the statement. A plan with Writes runs on the writer.
//
// The effect of a failing plan is undone (a savepoint inside) unless the error says that SQLite rolled the whole
// transaction back; then the connection is in autocommit.
type Run struct {
	// Conn is the connection. Statements come from its cache and are reset before Plan.Run returns.
	Conn catalog.Conn
	// Variable gives a local variable's value; needed when the plan has VarArgs.
	Variable func(name string) (sqltype.Value, error)
	// Global gives the value of an @@ variable (lower case, with @@) as the type that [GlobalType] tells.
	Global func(name string) (sqltype.Value, error)
	// Row takes each row of the result; the slice is reused, its values are not. nil discards them. An error stops
	// the plan and is returned as it is.
	Row func(row []sqltype.Value) error
	// Identities hands out the identity values of the database written to. TempIdentities is for Env.Temp.
	Identities, TempIdentities *catalog.Identities
	// Input feeds INSERT … EXEC and bulk loads ([InsertRows]); nil otherwise.
	Input iter.Seq2[[]sqltype.Value, error]
	// Database is the database's name, for messages.
	Database string
	// Now is the statement's time, for what is written into the catalog.
	Now time.Time
	// MaxRows stops a SELECT after that many rows (SET ROWCOUNT); 0 means no limit.
	MaxRows int64
}

// Outcome is what an execution did.
type Outcome struct {
	// Rows is the count of rows yielded by a query or touched by a statement that writes (@@ROWCOUNT).
	Rows int64
	// Identity is the last identity value that was handed out, for SCOPE_IDENTITY() and @@IDENTITY, when HasIdentity.
	Identity    int64
	HasIdentity bool
	// Assigned are the variables that UPDATE … SET @v = … gave values.
	Assigned []Assigned
}

// Assigned is a variable with the value it got, which is of the variable's type.
type Assigned struct {
	Name  string
	Value sqltype.Value
}

// Run executes the plan. Errors are *sqlerr.Error where SQL Server has a number for them; the context's cancellation
// cause comes back as it is.
func (p *Plan) Run(ctx context.Context, r *Run) (Outcome, error) { return p.run(ctx, p, r) }

// Change is a bound statement that defines, changes or drops something in the catalog.
type Change struct {
	// Verb is the statement as messages spell it: "CREATE TABLE".
	Verb string
	// Temp tells that it concerns Env.Temp, not the database.
	Temp bool
	// Line is the statement's line in its batch.
	Line int
	// Sites go into sqlfn.Statement.Sites when the statement begins.
	Sites []sqlfn.Site

	apply func(ctx context.Context, r *Run) error
}

// Apply makes the change on a writer connection, inside its transaction; the schema version is new afterwards. When it
// fails, its effect is undone.
func (c *Change) Apply(ctx context.Context, r *Run) error { return c.apply(ctx, r) }
