package catalog

import (
	"strings"
	"sync"
	"time"

	"linkspan/rel"
)

// Kind says what an object is; the values are sys.objects.type without its trailing blank.
type Kind string

// The kinds of objects.
const (
	Table         Kind = "U"
	View          Kind = "V"
	Procedure     Kind = "P"
	Scalar        Kind = "FN" // scalar function
	InlineTable   Kind = "IF" // inline table-valued function
	Trigger       Kind = "TR"
	PrimaryKey    Kind = "PK"
	UniqueKey     Kind = "UQ"
	CheckKind     Kind = "C"
	DefaultKind   Kind = "D"
	ForeignKind   Kind = "F"
	SynonymObject Kind = "SN"
)

// Object is one row of sys.objects. It is immutable once handed out.
type Object struct {
	ID       int32
	Kind     Kind
	SchemaID int32
	Schema   string
	Name     string
	// Parent is the table of a constraint or trigger, or 0.
	Parent            int32
	Created, Modified time.Time
	// Table is set for a Table.
	Table *rel.Table
	// Text is the whole CREATE statement of a module (view, procedure, function, trigger).
	Text string
	// QuotedIdentifier and AnsiNulls are the settings the module was created under.
	QuotedIdentifier, AnsiNulls bool
	// Generated tells that the server made the name of a constraint (is_system_named).
	Generated bool
}

// Schema is one row of sys.schemas.
type Schema struct {
	ID   int32
	Name string
	// Owner is the database principal's number (1 is dbo).
	Owner int32
}

// Snapshot is one version of a database's schema. It is immutable; any number of goroutines may read it.
type Snapshot struct {
	// Version identifies the schema: it changes with every statement that defines something and is never used twice,
	// not even by two copies of the database that went separate ways.
	Version string
	// SQLSchema is the SQLite schema that holds the tables: "main", or the name the database is attached under.
	SQLSchema string
	// Collation is the database's default collation; names compare under it.
	Collation string

	schemas    []*Schema
	objects    map[int32]*Object
	byName     map[nameKey]*Object
	ordered    []*Object
	props      []Property
	principals []*Principal
	members    []Member
	caseSens   bool
	// permissions are by securable; owners are those of objects and roles that differ from the usual.
	permissions []Permission
	owners      map[ownedKey]int32
	// bySID are the users that stand for logins.
	bySID map[string]*Principal
	// accesses keeps what Access worked out, by the user's number.
	accesses sync.Map
}

// Principal is a user or role of the database (sys.database_principals).
type Principal struct {
	ID   int32
	Name string
	// Kind is S (SQL user), R (role), E, X or U.
	Kind          string
	DefaultSchema string
	// SID is that of the login the user stands for, or nil.
	SID     []byte
	Created time.Time
	// Fixed tells that every database has it.
	Fixed bool
}

// Member is one row of sys.database_role_members.
type Member struct{ Role, Member int32 }

type nameKey struct{ schema, name string }

// Property is an extended property (sys.extended_properties).
type Property struct {
	Class        uint8
	Major, Minor int32
	Name, Value  string
	// Valid is false for a NULL value.
	Valid bool
}

// Fold gives the form under which s compares names: equal forms are equal names.
func (s *Snapshot) Fold(name string) string {
	if s.caseSens {
		return name
	}
	return strings.ToUpper(name)
}

// Object returns the object of a name in a schema, or nil.
func (s *Snapshot) Object(schema, name string) *Object {
	return s.byName[nameKey{s.Fold(schema), s.Fold(name)}]
}

// Table returns the base table of a name in a schema, or nil.
func (s *Snapshot) Table(schema, name string) *rel.Table {
	if o := s.Object(schema, name); o != nil {
		return o.Table
	}
	return nil
}

// ObjectByID returns the object with a number, or nil.
func (s *Snapshot) ObjectByID(id int32) *Object { return s.objects[id] }

// Objects lists all objects by number.
func (s *Snapshot) Objects() []*Object { return s.ordered }

// Schemas lists the schemas by number.
func (s *Snapshot) Schemas() []*Schema { return s.schemas }

// Schema returns the schema of a name, or nil.
func (s *Snapshot) Schema(name string) *Schema {
	f := s.Fold(name)
	for _, x := range s.schemas {
		if s.Fold(x.Name) == f {
			return x
		}
	}
	return nil
}

// Properties lists the extended properties.
func (s *Snapshot) Properties() []Property { return s.props }

// Principals lists the users and roles by number.
func (s *Snapshot) Principals() []*Principal { return s.principals }

// Principal returns the user or role of a name, or nil.
func (s *Snapshot) Principal(name string) *Principal {
	f := s.Fold(name)
	for _, x := range s.principals {
		if s.Fold(x.Name) == f {
			return x
		}
	}
	return nil
}

// Members lists who belongs to which role.
func (s *Snapshot) Members() []Member { return s.members }
