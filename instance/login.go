package instance

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"linkspan/login"
	"linkspan/sqlerr"
)

// kindLogin is the kind of loginDoc documents.
const kindLogin = "login"

// loginFormat is the form of loginDoc that knows roles and permissions. Logins of an older form come from a build in which
// every login was an administrator: they are members of sysadmin until somebody takes them out.
const loginFormat = 2

// The kinds of server principals, as sys.server_principals.type has them.
const (
	sqlLogin     = "S"
	windowsLogin = "U"
	roleKind     = "R"
)

// loginDoc is what master remembers of a login or a server role. What was handed out is never changed.
type loginDoc struct {
	Format int `json:"format,omitempty"`
	// Kind is one of the above; "" is a SQL login.
	Kind string `json:"kind,omitempty"`
	ID   int    `json:"id"`
	Name string `json:"name"`
	SID  []byte `json:"sid"`
	// Hash is the password's in SQL Server's 0x0200 form.
	Hash     []byte    `json:"hash,omitempty"`
	Created  time.Time `json:"created"`
	Modified time.Time `json:"modified"`
	Disabled bool      `json:"disabled,omitempty"`
	Database string    `json:"defaultDatabase,omitempty"`
	// Language is DEFAULT_LANGUAGE, "" for us_english.
	Language string `json:"defaultLanguage,omitempty"`
	// Policy and Expiration are CHECK_POLICY and CHECK_EXPIRATION; the latter is shown and not acted on.
	Policy     bool `json:"policy,omitempty"`
	Expiration bool `json:"expiration,omitempty"`
	// PasswordSet is when the password was last set.
	PasswordSet time.Time `json:"passwordSet,omitzero"`
	// Owner is the number of the principal that owns a role.
	Owner int `json:"owner,omitempty"`
	// Roles are the numbers of the server roles it is a member of, Permissions what it was granted and denied itself.
	Roles       []int              `json:"roles,omitempty"`
	Permissions []serverPermission `json:"permissions,omitempty"`
}

// kind is the type that sys.server_principals shows.
func (l *loginDoc) kind() string {
	if l.Kind == "" {
		return sqlLogin
	}
	return l.Kind
}

// fixed tells that the principal is there from the start and is not dropped.
func (l *loginDoc) fixed() bool { return l.ID < firstLoginID }

// openLogins reads the logins and, at the first start, makes the administrator. A changed Options.Password renews the
// administrator's: it is how a lost one is replaced.
func (in *Instance) openLogins(ctx context.Context) error {
	docs, err := in.docs.Load(ctx, kindLogin)
	if err != nil {
		return fmt.Errorf("load logins: %w", err)
	}
	for _, r := range in.fixedRoles() {
		in.logins[in.fold(r.Name)] = r
	}
	for name, b := range docs {
		l := new(loginDoc)
		if err := json.Unmarshal(b, l); err != nil {
			return fmt.Errorf("read stored login %q: %w", name, err)
		}
		l.upgrade()
		in.logins[in.fold(l.Name)] = l
	}
	admin := in.logins[in.fold(in.opts.Administrator)]
	switch {
	case in.opts.Password == "" && admin == nil:
		return fmt.Errorf("make login %s: no password was given", in.opts.Administrator)
	case in.opts.Password == "", admin != nil && login.Verify(admin.Hash, in.opts.Password):
		return nil
	case admin == nil:
		admin = &loginDoc{Format: loginFormat, ID: administratorID, Name: in.opts.Administrator, SID: adminSID, Created: in.opts.Clock.Now().UTC(), Database: "master",
			Roles: []int{sysadminID}, Permissions: []serverPermission{connectSQL}}
	}
	return in.setPassword(ctx, *admin, in.opts.Password)
}

// upgrade brings a login of an older form to what it was then: an administrator.
func (l *loginDoc) upgrade() {
	if l.Format >= loginFormat {
		return
	}
	l.Format = loginFormat
	if !slices.Contains(l.Roles, sysadminID) {
		l.Roles = append(l.Roles, sysadminID)
	}
	l.Permissions = append(l.Permissions, connectSQL)
}

// setPassword stores a login with a new password.
func (in *Instance) setPassword(ctx context.Context, l loginDoc, password string) error {
	var salt [login.SaltSize]byte
	if _, err := io.ReadFull(in.opts.Rand, salt[:]); err != nil {
		return fmt.Errorf("make salt: %w", err)
	}
	l.Hash = login.Hash(password, salt)
	l.PasswordSet = in.opts.Clock.Now().UTC()
	return in.putLogin(ctx, &l, l)
}

// authenticate returns the login of a name and password. The refusal is 18456, the same for every cause but a disabled
// login whose password was right (18470), and takes the same time.
func (in *Instance) authenticate(name, password string) (*loginDoc, error) {
	l := in.loginByName(name)
	ok := false
	if l != nil && l.kind() == sqlLogin {
		ok = login.Verify(l.Hash, password)
	} else {
		ok = login.VerifyUnknown(password)
	}
	switch {
	case ok && l.Disabled:
		return nil, sqlerr.New(18470, l.Name)
	case !ok, !in.token(l.ID).has("CONNECT SQL"):
		return nil, sqlerr.New(18456, prefix(name, maxName))
	}
	return l, nil
}
