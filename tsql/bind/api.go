package bind

import (
	"errors"
	"strings"

	"linkspan/sqlapi"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
)

var errLater = errors.New("not yet bound")

var globals = map[string]sqltype.Type{}

// GlobalType gives the type of an @@ variable (in any case) and whether there is one.
func GlobalType(name string) (sqltype.Type, bool) {
	t, ok := globals[strings.ToUpper(name)]
	return t, ok
}

// Query binds SELECT, INSERT, UPDATE, DELETE, MERGE or TRUNCATE TABLE.
func Query(env *Env, s ast.Statement) (*Plan, error) { return nil, errLater }

// InsertRows binds INSERT … EXEC and bulk loads: the rows, of the columns described, come from Run.Input.
func InsertRows(env *Env, s *ast.Insert, columns []sqlapi.Column) (*Plan, error) {
	return nil, errLater
}

// Scalar binds one expression as a value of type to, the zero Type leaving it as it is. The plan yields one row.
func Scalar(env *Env, e ast.Expr, to sqltype.Type) (*Plan, error) { return nil, errLater }

// Condition binds a condition. The plan yields one row with one bit, NULL when unknown.
func Condition(env *Env, e ast.Expr) (*Plan, error) { return nil, errLater }

// Define binds a statement that defines, alters or drops an object of a database.
func Define(env *Env, s ast.Statement) (*Change, error) { return nil, errLater }

// DeclareTable binds the definition of a table variable; Apply creates it in Env.Temp under the name (with its @).
func DeclareTable(env *Env, name string, def *ast.TableDef) (*Change, error) { return nil, errLater }

// TypeOf gives the type that a type's name denotes (2715 when there is none). Character types get the database's collation.
func TypeOf(env *Env, t ast.TypeName) (sqltype.Type, error) { return sqltype.Type{}, errLater }
