// Package sqlapi owns the contract between the SQL engine and its front ends: what a session takes and what it gives.
//
// The TDS server speaks to any Backend; the engine writes results to any ResultSink. Neither knows the other. All
// types here are plain data, so that both sides can be tested alone.
package sqlapi

import (
	"context"
	"errors"

	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// ErrAttention is the cancellation cause of a request's context when the client asked to stop it ([MS-TDS] 2.2.1.7).
// A session that sees it stops as soon as it can, rolls back only what XACT_ABORT demands, and returns it.
var ErrAttention = errors.New("attention: the client cancelled the request")

// Login is what a client presents ([MS-TDS] 2.2.6.4). Password is cleared by the caller after use.
type Login struct {
	User, Password string
	// Database is the initial database, or "" for the login's default.
	Database                                         string
	Hostname, AppName, ServerName, Library, Language string
	// ReadOnlyIntent is ApplicationIntent=ReadOnly.
	ReadOnlyIntent bool
	PacketSize     int
	ClientPID      int
	// Remote is the client's address, for the error log.
	Remote string
	// Encrypted tells whether the whole session, not just the login, is encrypted.
	Encrypted bool
}

// Backend opens sessions.
type Backend interface {
	// Login checks the credentials and opens a session. A refusal is an *sqlerr.Error: 18456, the same text and time
	// for every cause, or 4060 when only the database cannot be opened. Messages to send after LOGINACK (5701, 5703)
	// go to out.
	Login(ctx context.Context, l Login, out ResultSink) (Session, error)
	// ServerInfo is what LOGINACK and PRELOGIN announce.
	ServerInfo() ServerInfo
}

// ServerInfo names the server to clients.
type ServerInfo struct {
	// Program is the name in LOGINACK: "Microsoft SQL Server", since drivers branch on it.
	Program string
	// Major, Minor and Build are the version announced.
	Major, Minor uint8
	Build        uint16
}

// Session is one client's connection. Its methods are called one at a time, except Close, which may come at any time
// and waits for the running one to end.
//
// SQL errors go to the sink as messages and are not returned. What is returned ends the connection: an error of the
// sink, the context's cause, or an *sqlerr.Error of severity 20 and above.
type Session interface {
	// Batch runs a batch of T-SQL.
	Batch(ctx context.Context, text string, out ResultSink) error
	// Call runs a procedure by name or number with parameters.
	Call(ctx context.Context, c Call, out ResultSink) error
	// Transaction runs a transaction-manager request ([MS-TDS] 2.2.6.9).
	Transaction(ctx context.Context, r TxRequest, out ResultSink) error
	// Reset makes the session as new, as a client's connection pool asks ([MS-TDS] 2.2.3.1.2 RESETCONNECTION): options,
	// temporary tables, database and language; keepTx leaves the transaction open. It runs before the request that
	// carries the flag.
	Reset(ctx context.Context, keepTx bool, out ResultSink) error
	// ID is the session's number (@@SPID).
	ID() int
	// Close ends the session and rolls back what is open. Idempotent.
	Close() error
}

// ProcID is a well-known procedure's number on the wire ([MS-TDS] 2.2.6.6).
type ProcID uint16

// The procedures that have a number.
const (
	ProcCursor ProcID = iota + 1
	ProcCursorOpen
	ProcCursorPrepare
	ProcCursorExecute
	ProcCursorPrepExec
	ProcCursorUnprepare
	ProcCursorFetch
	ProcCursorOption
	ProcCursorClose
	ProcExecuteSQL
	ProcPrepare
	ProcExecute
	ProcPrepExec
	ProcPrepExecRPC
	ProcUnprepare
)

// Call is a procedure call.
type Call struct {
	// ID is the procedure's number, or 0 when it is called by Name.
	ID ProcID
	// Name is the name as sent, up to four parts, possibly quoted; "" with an ID.
	Name   string
	Params []Param
	// NoMetadata is the option not to send column metadata.
	NoMetadata bool
}

// Param is a parameter or, in ResultSink.ReturnValue, what came back in it.
type Param struct {
	// Name is with its @, or "" for a positional one.
	Name    string
	Type    sqltype.Type
	Value   sqltype.Value
	Output  bool
	Default bool // the default was asked for; Value means nothing
}

// TxKind says what a transaction request asks for.
type TxKind uint8

// The transaction requests served.
const (
	TxBegin TxKind = iota + 1
	TxCommit
	TxRollback
	TxSave
)

// TxRequest is one request to the transaction manager.
type TxRequest struct {
	Kind TxKind
	Name string
	// Isolation is the level as on the wire: 0 unchanged, 1 read uncommitted, 2 read committed, 3 repeatable read,
	// 4 serializable, 5 snapshot.
	Isolation uint8
	// BeginNext asks for a new transaction right after a commit or rollback, with NextName and NextIsolation.
	BeginNext     bool
	NextName      string
	NextIsolation uint8
}

// Column describes one column of a result.
type Column struct {
	Name     string
	Type     sqltype.Type
	Nullable bool
	Identity bool
	Computed bool
}

// Command says what kind of statement a Done ends; the values are those of the DONE token's CurCmd.
type Command uint16

// The commands that clients look at.
const (
	CmdNone    Command = 0
	CmdSelect  Command = 0xC1
	CmdInsert  Command = 0xC3
	CmdDelete  Command = 0xC4
	CmdUpdate  Command = 0xC5
	CmdExecute Command = 0xE0
)

// Done ends one statement.
type Done struct {
	Command Command
	// Rows is the count of rows touched or returned. HasRows is false for statements without one and under SET NOCOUNT ON.
	Rows    int64
	HasRows bool
	// InProc is true inside a procedure or sp_executesql (DONEINPROC).
	InProc bool
	// Failed is true when the statement ended with an error.
	Failed bool
}

// EnvKind is the kind of a change of the session's environment; the values are those of the ENVCHANGE token.
type EnvKind uint8

// The changes sent.
const (
	EnvDatabase     EnvKind = 1
	EnvLanguage     EnvKind = 2
	EnvPacketSize   EnvKind = 4
	EnvCollation    EnvKind = 7
	EnvBeginTx      EnvKind = 8
	EnvCommitTx     EnvKind = 9
	EnvRollbackTx   EnvKind = 10
	EnvResetDone    EnvKind = 18
	EnvUserInstance EnvKind = 19
	EnvRouting      EnvKind = 20
)

// EnvChange tells the client of a change. The transaction kinds use Tx; the others Old and New.
type EnvChange struct {
	Kind     EnvKind
	New, Old string
	// Tx is the transaction's descriptor, for EnvBeginTx, EnvCommitTx and EnvRollbackTx; never 0 there.
	Tx uint64
}

// ResultSink takes what a request gives, in order. An error from any method ends the request at once: the client is
// gone or the result is too large for it. Rows and columns belong to the caller again when the method returns.
type ResultSink interface {
	// Columns begins a result set; Done ends it.
	Columns(cols []Column) error
	// Row adds a row to the result set; its values are of the columns' kinds.
	Row(row []sqltype.Value) error
	// Done ends a statement, with or without a result set.
	Done(d Done) error
	// Message sends an error (severity above 10) or a message.
	Message(e *sqlerr.Error) error
	// Env tells of a changed environment. EnvBeginTx when a transaction begins, however the client asked, and EnvCommitTx
	// or EnvRollbackTx when the outermost one ends: the front end keeps from them whether a transaction is open. For
	// EnvCollation New is the collation's name, for EnvRouting New is host:port.
	Env(c EnvChange) error
	// ReturnStatus is the integer a procedure returned.
	ReturnStatus(status int32) error
	// ReturnValue is what an output parameter holds at the end; the name is as the client sent it.
	ReturnValue(p Param) error
}

// Flusher is implemented by sinks that can hand on at once what they hold back: RAISERROR … WITH NOWAIT asks for it, and
// progress messages of long statements.
type Flusher interface {
	// Flush sends what was written so far.
	Flush() error
}
