package ast

// Declare is DECLARE @a type [= value], @t TABLE (…), ….
type Declare struct {
	Pos
	Vars []DeclaredVariable
}

// DeclaredVariable is one variable of a DECLARE.
type DeclaredVariable struct {
	Pos
	Name   string    // with its @
	Type   TypeName  // of a scalar variable
	Value  Expr      // nil when not initialised
	Table  *TableDef // of a table variable, nil otherwise
	Cursor bool      // @c CURSOR
}

// SetVariable is SET @v = value, with = or a compound operator.
type SetVariable struct {
	Pos
	Name  string
	Op    string
	Value Expr
}

// SetOptions is SET name[, name…] ON|OFF: NOCOUNT, XACT_ABORT, ANSI_NULLS, STATISTICS IO and the like.
type SetOptions struct {
	Pos
	Names []string // upper case, words joined by one blank
	On    bool
}

// SetValue is SET name value: LOCK_TIMEOUT, TEXTSIZE, ROWCOUNT, DATEFIRST, DATEFORMAT, LANGUAGE, DEADLOCK_PRIORITY,
// CONTEXT_INFO, QUERY_GOVERNOR_COST_LIMIT. Value is a *Literal, *Unary, *Variable or *Keyword.
type SetValue struct {
	Pos
	Name  string // upper case
	Value Expr
}

// SetIdentityInsert is SET IDENTITY_INSERT table ON|OFF.
type SetIdentityInsert struct {
	Pos
	Table ObjectName
	On    bool
}

// SetIsolation is SET TRANSACTION ISOLATION LEVEL level.
type SetIsolation struct {
	Pos
	Level string // "READ COMMITTED" and the like
}

// If is IF condition then [ELSE otherwise].
type If struct {
	Pos
	Cond Expr
	Then Statement
	Else Statement // nil when absent
}

// While is WHILE condition body.
type While struct {
	Pos
	Cond Expr
	Body Statement
}

// Block is BEGIN … END.
type Block struct {
	Pos
	Body []Statement
}

// TryCatch is BEGIN TRY … END TRY BEGIN CATCH … END CATCH.
type TryCatch struct {
	Pos
	Try, Catch []Statement
}

// Break is BREAK.
type Break struct{ Pos }

// Continue is CONTINUE.
type Continue struct{ Pos }

// Return is RETURN [value].
type Return struct {
	Pos
	Value Expr // nil when absent
}

// Goto is GOTO label.
type Goto struct {
	Pos
	Label string
}

// Label is label: before a statement.
type Label struct {
	Pos
	Name string
}

// Print is PRINT value.
type Print struct {
	Pos
	Value Expr
}

// RaiseError is RAISERROR (message, severity, state [, args]) [WITH options].
type RaiseError struct {
	Pos
	Message, Severity, State Expr // Message is text or a message number
	Args                     []Expr
	Log, NoWait, SetError    bool
}

// Throw is THROW [number, message, state]; all three are nil when it rethrows.
type Throw struct {
	Pos
	Number, Message, State Expr
}

// Execute is EXEC. Either Proc (or ProcVariable) or SQL is set.
type Execute struct {
	Pos
	// Return is the variable of EXEC @r = proc, or "".
	Return string
	Proc   ObjectName
	// ProcVariable holds the procedure's name, in EXEC @name; "" otherwise.
	ProcVariable string
	Args         []ExecArg
	// SQL is the text of EXEC ('…' + @x), nil for a procedure.
	SQL Expr
	// Options are those of WITH (RECOMPILE, RESULT SETS …).
	Options []Option
	// AsUser and At are EXEC ('…') AS USER = … and AT linked_server, refused by name.
	AsUser, At string
}

// ExecArg is one argument of EXEC.
type ExecArg struct {
	Pos
	Name   string // with its @, "" for a positional one
	Value  Expr   // *Literal, *Unary, *Variable, *SystemVariable, *Default, or a *Keyword for a bare word
	Output bool
}

// ExecuteAs is EXECUTE AS … or REVERT.
type ExecuteAs struct {
	Pos
	Revert bool
	// Kind is "CALLER", "USER", "LOGIN", "SELF" or "OWNER".
	Kind string
	Name Expr
	// With is what WITH asks for: "NO REVERT" or "COOKIE"; "" when absent.
	With string
}

// BeginTransaction is BEGIN TRAN [name|@name] [WITH MARK].
type BeginTransaction struct {
	Pos
	Name        NameOrVariable
	Distributed bool
}

// Commit is COMMIT [TRAN|WORK] [name].
type Commit struct {
	Pos
	Name NameOrVariable
}

// Rollback is ROLLBACK [TRAN|WORK] [name].
type Rollback struct {
	Pos
	Name NameOrVariable
}

// Save is SAVE TRAN name.
type Save struct {
	Pos
	Name NameOrVariable
}

// WaitFor is WAITFOR DELAY value or WAITFOR TIME value.
type WaitFor struct {
	Pos
	Time  bool
	Value Expr
}

// Empty is a statement of nothing but a semicolon.
type Empty struct{ Pos }

// DeclareCursor is DECLARE name CURSOR … FOR query, or SET @c = CURSOR … FOR query.
type DeclareCursor struct {
	Pos
	Name    string // with its @ for a cursor variable
	Options []string
	Query   *Select
}

// CursorStatement is OPEN, CLOSE, DEALLOCATE or FETCH.
type CursorStatement struct {
	Pos
	Verb string // "OPEN", "CLOSE", "DEALLOCATE", "FETCH"
	Name string
	// Direction is "NEXT", "PRIOR", "FIRST", "LAST", "ABSOLUTE" or "RELATIVE" of FETCH, with Count for the last two.
	Direction string
	Count     Expr
	Into      []string // variables
}

func (*Declare) statement()           {}
func (*SetVariable) statement()       {}
func (*SetOptions) statement()        {}
func (*SetValue) statement()          {}
func (*SetIdentityInsert) statement() {}
func (*SetIsolation) statement()      {}
func (*If) statement()                {}
func (*While) statement()             {}
func (*Block) statement()             {}
func (*TryCatch) statement()          {}
func (*Break) statement()             {}
func (*Continue) statement()          {}
func (*Return) statement()            {}
func (*Goto) statement()              {}
func (*Label) statement()             {}
func (*Print) statement()             {}
func (*RaiseError) statement()        {}
func (*Throw) statement()             {}
func (*Execute) statement()           {}
func (*ExecuteAs) statement()         {}
func (*BeginTransaction) statement()  {}
func (*Commit) statement()            {}
func (*Rollback) statement()          {}
func (*Save) statement()              {}
func (*WaitFor) statement()           {}
func (*Empty) statement()             {}
func (*DeclareCursor) statement()     {}
func (*CursorStatement) statement()   {}
