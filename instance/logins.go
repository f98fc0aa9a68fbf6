package instance

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"linkspan/login"
	"linkspan/sqlerr"
	"linkspan/trust"
	"linkspan/tsql/ast"
)

const (
	// administratorID is principal_id of the login made at the first start.
	administratorID = 1
	// firstLoginID is the lowest principal_id of a login that a user makes.
	firstLoginID = 257
	// sidSize is the length of a SQL login's SID.
	sidSize = 16
)

// createLogin is CREATE LOGIN and ALTER LOGIN of SQL logins. Nothing is changed when it errs.
func (in *Instance) createLogin(ctx context.Context, s *ast.CreateLogin) error {
	switch {
	case s.Source != "":
		return unsupported("CREATE LOGIN … FROM "+s.Source, "create a SQL login WITH PASSWORD")
	case s.MustChange:
		return unsupported("MUST_CHANGE", "leave it out")
	}
	in.ddl.Lock()
	defer in.ddl.Unlock()
	l := in.loginByName(s.Name)
	switch {
	case s.Alter && l == nil:
		return sqlerr.New(15151, "alter", "login", s.Name)
	case !s.Alter && l != nil:
		return sqlerr.New(15025, s.Name)
	case !s.Alter:
		l = in.newLoginLocked(s.Name)
	}
	changed := *l
	if err := in.applyLogin(&changed, s); err != nil {
		return err
	}
	return in.putLogin(ctx, l, changed)
}

// loginByName finds a login, or nil. What it gives is never changed.
func (in *Instance) loginByName(name string) *loginDoc {
	in.mu.RLock()
	defer in.mu.RUnlock()
	return in.logins[in.fold(name)]
}

// newLoginLocked describes a new login without a password; the caller holds ddl.
func (in *Instance) newLoginLocked(name string) *loginDoc {
	id := firstLoginID
	in.mu.RLock()
	defer in.mu.RUnlock()
	for _, o := range in.logins {
		id = max(id, o.ID+1)
	}
	return &loginDoc{ID: id, Name: name, Created: in.opts.Clock.Now().UTC(), Database: "master", Policy: true}
}

// applyLogin takes over and checks what the statement says.
func (in *Instance) applyLogin(l *loginDoc, s *ast.CreateLogin) error {
	if err := checkLoginName(l.Name); err != nil {
		return err
	}
	for i := range s.Options {
		if err := in.loginOption(l, &s.Options[i]); err != nil {
			return err
		}
	}
	if l.Expiration && !l.Policy {
		return sqlerr.New(15122)
	}
	if s.OldPassword != nil && !login.Verify(l.Hash, *s.OldPassword) {
		return sqlerr.New(15151, "alter", "login", l.Name)
	}
	if s.Enable != nil {
		l.Disabled = !*s.Enable
	}
	if err := in.loginSID(l, s.SID); err != nil {
		return err
	}
	return in.loginPassword(l, s)
}

func checkLoginName(name string) error {
	if n := len([]rune(name)); n == 0 || n > maxName || strings.ContainsAny(name, "\\\x00") {
		return sqlerr.New(15006, prefix(name, maxName))
	}
	return nil
}

func (in *Instance) loginOption(l *loginDoc, o *ast.Option) error {
	value, _ := text(o.Value)
	switch o.Name {
	case "CHECK_POLICY":
		l.Policy = word(o.Value) == "ON"
	case "CHECK_EXPIRATION":
		l.Expiration = word(o.Value) == "ON"
	case "DEFAULT_DATABASE":
		d, err := in.Find(value)
		if err != nil {
			return sqlerr.New(15010, value)
		}
		l.Database = d.Name()
	case "DEFAULT_LANGUAGE":
		if !strings.EqualFold(value, "us_english") && !strings.EqualFold(value, "English") {
			return unsupported("DEFAULT_LANGUAGE = "+value, "every session speaks us_english")
		}
	case "NAME":
		if other := in.loginByName(value); other != nil && other.ID != l.ID {
			return sqlerr.New(15025, value)
		}
		l.Name = value
		return checkLoginName(value)
	default:
		return unsupported(o.Name+" of a login", "leave it out")
	}
	return nil
}

// loginSID gives a login the SID of the statement or, when it has none yet, a random one.
func (in *Instance) loginSID(l *loginDoc, sid []byte) error {
	if sid == nil {
		if l.SID == nil {
			l.SID = make([]byte, sidSize)
			if _, err := io.ReadFull(in.opts.Rand, l.SID); err != nil {
				return fmt.Errorf("make a SID: %w", err)
			}
		}
		return nil
	}
	if len(sid) != sidSize {
		return sqlerr.New(15419)
	}
	in.mu.RLock()
	defer in.mu.RUnlock()
	for _, o := range in.logins {
		if string(o.SID) == string(sid) {
			return sqlerr.New(15433)
		}
	}
	l.SID = sid
	return nil
}

func (in *Instance) loginPassword(l *loginDoc, s *ast.CreateLogin) error {
	switch {
	case s.PasswordHash != nil:
		if err := login.Check(s.PasswordHash); err != nil {
			return sqlerr.New(15021, "PASSWORD").WithCause(err)
		}
		l.Hash = s.PasswordHash
	case s.Password != nil:
		if l.Policy {
			if err := trust.CheckPassword(*s.Password); err != nil {
				return err
			}
		}
		var salt [login.SaltSize]byte
		if _, err := io.ReadFull(in.opts.Rand, salt[:]); err != nil {
			return fmt.Errorf("make salt: %w", err)
		}
		l.Hash = login.Hash(*s.Password, salt)
	case l.Hash == nil:
		return sqlerr.New(102, "LOGIN") // the parser asks for one
	}
	return nil
}

// putLogin stores a changed login and shows it in place of the old one; the caller holds ddl.
func (in *Instance) putLogin(ctx context.Context, old *loginDoc, l loginDoc) error {
	l.Modified = in.opts.Clock.Now().UTC()
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if err := in.docs.Put(ctx, kindLogin, fmt.Sprint(l.ID), b); err != nil {
		return fmt.Errorf("store login %q: %w", l.Name, err)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.logins, in.fold(old.Name))
	in.logins[in.fold(l.Name)] = &l
	return nil
}

// dropLogin is DROP LOGIN.
func (in *Instance) dropLogin(ctx context.Context, s *ast.DropLogin) error {
	in.ddl.Lock()
	defer in.ddl.Unlock()
	l := in.loginByName(s.Name)
	switch {
	case l == nil && s.IfExists:
		return nil
	case l == nil:
		return sqlerr.New(15151, "drop", "login", s.Name)
	case l.ID == administratorID:
		return sqlerr.New(15405, l.Name)
	}
	for _, o := range in.sessions.all() {
		if in.fold(o.login.User) == in.fold(l.Name) {
			return sqlerr.New(15434, l.Name)
		}
	}
	if err := in.docs.Delete(ctx, kindLogin, fmt.Sprint(l.ID)); err != nil {
		return fmt.Errorf("delete login %q: %w", l.Name, err)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.logins, in.fold(l.Name))
	return nil
}
