package ast

// CreateCredential is CREATE CREDENTIAL and ALTER CREDENTIAL.
type CreateCredential struct {
	Pos
	Alter bool
	Name  string
	// Identity is IDENTITY = '…', Secret SECRET = '…', nil when absent.
	Identity string
	Secret   *string
}

// DropCredential is DROP CREDENTIAL.
type DropCredential struct {
	Pos
	Name string
}

func (*CreateCredential) statement() {}
func (*DropCredential) statement()   {}
