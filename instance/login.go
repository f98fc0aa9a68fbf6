package instance

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"linkspan/login"
	"linkspan/rel"
	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// kindLogin is the kind of loginDoc documents.
const kindLogin = "login"

// loginDoc is what master remembers of a SQL login.
type loginDoc struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
	SID  []byte `json:"sid"`
	// Hash is the password's in SQL Server's 0x0200 form.
	Hash     []byte    `json:"hash"`
	Created  time.Time `json:"created"`
	Modified time.Time `json:"modified"`
	Disabled bool      `json:"disabled,omitempty"`
	Database string    `json:"defaultDatabase,omitempty"`
	// Policy and Expiration are CHECK_POLICY and CHECK_EXPIRATION; the latter is shown and not acted on.
	Policy     bool `json:"policy,omitempty"`
	Expiration bool `json:"expiration,omitempty"`
}

// openLogins reads the logins and, at the first start, makes the administrator. A changed Options.Password renews the
// administrator's: it is how a lost one is replaced.
func (in *Instance) openLogins(ctx context.Context) error {
	docs, err := in.docs.Load(ctx, kindLogin)
	if err != nil {
		return fmt.Errorf("load logins: %w", err)
	}
	for name, b := range docs {
		l := new(loginDoc)
		if err := json.Unmarshal(b, l); err != nil {
			return fmt.Errorf("read stored login %q: %w", name, err)
		}
		in.logins[in.fold(l.Name)] = l
	}
	admin := in.logins[in.fold(in.opts.Administrator)]
	switch {
	case in.opts.Password == "" && admin == nil:
		return fmt.Errorf("make login %s: no password was given", in.opts.Administrator)
	case in.opts.Password == "", admin != nil && login.Verify(admin.Hash, in.opts.Password):
		return nil
	case admin == nil:
		admin = &loginDoc{ID: administratorID, Name: in.opts.Administrator, SID: adminSID, Created: in.opts.Clock.Now().UTC(), Database: "master"}
	}
	return in.setPassword(ctx, *admin, in.opts.Password)
}

// setPassword stores a login with a new password.
func (in *Instance) setPassword(ctx context.Context, l loginDoc, password string) error {
	var salt [login.SaltSize]byte
	if _, err := io.ReadFull(in.opts.Rand, salt[:]); err != nil {
		return fmt.Errorf("make salt: %w", err)
	}
	l.Hash, l.Modified = login.Hash(password, salt), in.opts.Clock.Now().UTC()
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if err := in.docs.Put(ctx, kindLogin, fmt.Sprint(l.ID), b); err != nil {
		return fmt.Errorf("store login %q: %w", l.Name, err)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.logins[in.fold(l.Name)] = &l
	return nil
}

// authenticate returns the login of a name and password. The refusal is 18456, the same for every cause, and takes the
// same time.
func (in *Instance) authenticate(name, password string) (*loginDoc, error) {
	in.mu.RLock()
	l := in.logins[in.fold(name)]
	in.mu.RUnlock()
	ok := false
	if l != nil && !l.Disabled {
		ok = login.Verify(l.Hash, password)
	} else {
		ok = login.VerifyUnknown(password)
	}
	if !ok {
		return nil, sqlerr.New(18456, prefix(name, maxName))
	}
	return l, nil
}

// loginViews are sys.sql_logins and sys.server_principals.
func (in *Instance) loginViews() []rel.View {
	principals := []struct {
		name  string
		extra bool
	}{{"server_principals", false}, {"sql_logins", true}}
	var views []rel.View
	for _, p := range principals {
		v := rel.View{Schema: "sys", Name: p.name}
		v.Columns = append(v.Columns, key("name", tSysname), key("principal_id", tInt), col("sid", varbinary(85)),
			key("type", sqltype.Type{Kind: sqltype.Char, Len: 1}), col("type_desc", tDesc), col("is_disabled", tBit), key("create_date", tDateTime),
			key("modify_date", tDateTime), col("default_database_name", tSysname), col("default_language_name", tSysname), col("credential_id", tInt))
		if p.extra {
			v.Columns = append(v.Columns, col("is_policy_checked", tBit), col("is_expiration_checked", tBit), col("password_hash", varbinary(256)))
		}
		v.Rows = rows(func(context.Context, rel.Scope) ([][]sqltype.Value, error) { return in.loginRows(p.extra), nil })
		views = append(views, v)
	}
	return views
}

func (in *Instance) loginRows(sqlLogins bool) [][]sqltype.Value {
	in.mu.RLock()
	var all []*loginDoc
	for _, l := range in.logins {
		all = append(all, l)
	}
	in.mu.RUnlock()
	slices.SortFunc(all, func(a, b *loginDoc) int { return a.ID - b.ID })
	var out [][]sqltype.Value
	for _, l := range all {
		row := []sqltype.Value{vText(l.Name), vInt(l.ID), sqltype.BytesOf(sqltype.VarBinary, l.SID), sqltype.StringOf(sqltype.Char, "S"),
			vText("SQL_LOGIN"), vBit(l.Disabled), vTime(l.Created), vTime(l.Modified), vText(l.Database), vText("us_english"), vNull(tInt)}
		if sqlLogins {
			row = append(row, vBit(l.Policy), vBit(l.Expiration), sqltype.BytesOf(sqltype.VarBinary, l.Hash))
		}
		out = append(out, row)
	}
	return out
}
