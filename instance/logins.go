package instance

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

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

// installed is create_date of what is there from the start, as on SQL Server.
var installed = time.Date(2009, 4, 13, 12, 59, 6, 0, time.UTC)

// createLogin is CREATE LOGIN and ALTER LOGIN. Nothing is changed when it errs.
func (in *Instance) createLogin(ctx context.Context, s *ast.CreateLogin) error {
	if err := in.refuseLogin(s); err != nil {
		return err
	}
	in.ddl.Lock()
	defer in.ddl.Unlock()
	l := in.loginByName(s.Name)
	switch {
	case s.Alter && l == nil:
		return sqlerr.New(15151, "alter", "login", s.Name)
	case !s.Alter && in.principalByName(s.Name) != nil:
		return sqlerr.New(15025, s.Name)
	case !s.Alter:
		l = in.newPrincipalLocked(s.Name)
		l.Database, l.Permissions = "master", []serverPermission{connectSQL}
		if s.Source == "WINDOWS" {
			l.Kind = windowsLogin
		} else {
			l.Policy = true
		}
	}
	changed := *l
	if err := in.applyLogin(&changed, s); err != nil {
		return err
	}
	return in.putLogin(ctx, l, changed)
}

// refuseLogin names the forms that are understood but not served.
func (in *Instance) refuseLogin(s *ast.CreateLogin) error {
	switch {
	case s.Source == "WINDOWS" && in.opts.Kind == ManagedInstance:
		return unsupported("CREATE LOGIN … FROM WINDOWS", "a managed instance has no Windows logins; create a SQL login WITH PASSWORD")
	case s.Source != "" && s.Source != "WINDOWS":
		return unsupported("CREATE LOGIN … FROM "+s.Source, "create a SQL login WITH PASSWORD")
	case s.MustChange:
		return unsupported("MUST_CHANGE", "leave it out")
	}
	return nil
}

// loginByName finds a login, or nil. What it gives is never changed.
func (in *Instance) loginByName(name string) *loginDoc {
	if l := in.principalByName(name); l != nil && l.kind() != roleKind {
		return l
	}
	return nil
}

// principalByName finds a login or server role, or nil.
func (in *Instance) principalByName(name string) *loginDoc {
	in.mu.RLock()
	defer in.mu.RUnlock()
	return in.logins[in.fold(name)]
}

// principalByID finds a login or server role by its number, or nil.
func (in *Instance) principalByID(id int) *loginDoc {
	in.mu.RLock()
	defer in.mu.RUnlock()
	for _, l := range in.logins {
		if l.ID == id {
			return l
		}
	}
	return nil
}

// loginBySID finds a login by its SID, or nil.
func (in *Instance) loginBySID(sid []byte) *loginDoc {
	in.mu.RLock()
	defer in.mu.RUnlock()
	for _, l := range in.logins {
		if len(sid) > 0 && l.kind() != roleKind && string(l.SID) == string(sid) {
			return l
		}
	}
	return nil
}

// allPrincipals lists the logins and server roles by number.
func (in *Instance) allPrincipals() []*loginDoc {
	in.mu.RLock()
	all := make([]*loginDoc, 0, len(in.logins))
	for _, l := range in.logins {
		all = append(all, l)
	}
	in.mu.RUnlock()
	slices.SortFunc(all, func(a, b *loginDoc) int { return a.ID - b.ID })
	return all
}

// newPrincipalLocked describes a new login or role without anything; the caller holds ddl.
func (in *Instance) newPrincipalLocked(name string) *loginDoc {
	id := firstLoginID
	for _, o := range in.allPrincipals() {
		id = max(id, o.ID+1)
	}
	return &loginDoc{Format: loginFormat, ID: id, Name: name, Created: in.opts.Clock.Now().UTC()}
}

// applyLogin takes over and checks what the statement says.
func (in *Instance) applyLogin(l *loginDoc, s *ast.CreateLogin) error {
	if err := checkLoginName(l); err != nil {
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
	if l.kind() == windowsLogin {
		if s.Password != nil || s.PasswordHash != nil || s.SID != nil {
			return sqlerr.New(15021, "PASSWORD")
		}
		l.SID = windowsSID(l.Name)
		return nil
	}
	if err := in.loginSID(l, s.SID); err != nil {
		return err
	}
	return in.loginPassword(l, s)
}

// checkLoginName refuses names that no login may have: 15006, and 15407 for a Windows login without its domain.
func checkLoginName(l *loginDoc) error {
	n := len([]rune(l.Name))
	switch {
	case n == 0, n > maxName, strings.ContainsRune(l.Name, 0):
		return sqlerr.New(15006, prefix(l.Name, maxName))
	case l.kind() == windowsLogin:
		if domain, name, ok := strings.Cut(l.Name, `\`); !ok || domain == "" || name == "" {
			return sqlerr.New(15407, l.Name)
		}
	case strings.Contains(l.Name, `\`):
		return sqlerr.New(15006, l.Name)
	}
	return nil
}

// windowsSID makes the SID of a Windows account. Nobody can be asked for the real one; a name has the same on every
// instance, as it would in one domain.
func windowsSID(name string) []byte {
	sum := sha256.Sum256([]byte(strings.ToLower(name)))
	return append([]byte{1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0}, sum[:16]...)
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
		name, ok := language(value)
		if !ok {
			return sqlerr.New(15033, value)
		}
		l.Language = name
	case "NAME":
		if other := in.principalByName(value); other != nil && other.ID != l.ID {
			return sqlerr.New(15025, value)
		}
		l.Name = value
		return checkLoginName(l)
	default:
		return unsupported(o.Name+" of a login", "leave it out")
	}
	return nil
}

// languages are the names of sys.syslanguages with their aliases.
var languages = map[string]string{
	"us_english": "English", "Deutsch": "German", "Français": "French", "日本語": "Japanese", "Dansk": "Danish", "Español": "Spanish", "Italiano": "Italian",
	"Nederlands": "Dutch", "Norsk": "Norwegian", "Português": "Portuguese", "Suomi": "Finnish", "Svenska": "Swedish", "čeština": "Czech", "magyar": "Hungarian",
	"polski": "Polish", "română": "Romanian", "hrvatski": "Croatian", "slovenčina": "Slovak", "slovenski": "Slovenian", "ελληνικά": "Greek",
	"български": "Bulgarian", "русский": "Russian", "Türkçe": "Turkish", "British": "British English", "eesti": "Estonian", "latviešu": "Latvian",
	"lietuvių": "Lithuanian", "Português (Brasil)": "Brazilian", "繁體中文": "Traditional Chinese", "한국어": "Korean", "简体中文": "Simplified Chinese",
	"Arabic": "Arabic", "ไทย": "Thai", "norsk (bokmål)": "Bokmål",
}

// language finds a language by its name or alias; us_english is "".
func language(name string) (string, bool) {
	for l, alias := range languages {
		if strings.EqualFold(name, l) || strings.EqualFold(name, alias) {
			if l == "us_english" {
				l = ""
			}
			return l, true
		}
	}
	return "", false
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
	if in.loginBySID(sid) != nil {
		return sqlerr.New(15433)
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
		l.Hash, l.PasswordSet = s.PasswordHash, in.opts.Clock.Now().UTC()
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
		l.Hash, l.PasswordSet = login.Hash(*s.Password, salt), in.opts.Clock.Now().UTC()
	case l.Hash == nil:
		return sqlerr.New(102, "LOGIN") // the parser asks for one
	}
	return nil
}

// putLogin stores a changed login or role and shows it in place of the old one; the caller holds ddl.
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
	in.tokens.Store(new(sync.Map))
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
		if o.principal == l.ID {
			return sqlerr.New(15434, l.Name)
		}
	}
	for _, d := range in.list() {
		if string(d.ownerSID()) == string(l.SID) {
			return sqlerr.New(15174, l.Name)
		}
	}
	for _, r := range in.allPrincipals() {
		if r.kind() == roleKind && r.Owner == l.ID {
			return sqlerr.New(15141, "server role")
		}
	}
	return in.forgetPrincipal(ctx, l)
}

// forgetPrincipal deletes a login or role, with what others were granted on it; the caller holds ddl.
func (in *Instance) forgetPrincipal(ctx context.Context, l *loginDoc) error {
	for _, o := range in.allPrincipals() {
		changed := *o
		changed.Roles = slices.DeleteFunc(slices.Clone(o.Roles), func(id int) bool { return id == l.ID })
		changed.Permissions = slices.DeleteFunc(slices.Clone(o.Permissions), func(p serverPermission) bool {
			return p.Class == classPrincipal && p.Major == l.ID
		})
		if len(changed.Roles) == len(o.Roles) && len(changed.Permissions) == len(o.Permissions) {
			continue
		}
		if err := in.putLogin(ctx, o, changed); err != nil {
			return err
		}
	}
	if err := in.docs.Delete(ctx, kindLogin, fmt.Sprint(l.ID)); err != nil {
		return fmt.Errorf("delete login %q: %w", l.Name, err)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.logins, in.fold(l.Name))
	in.tokens.Store(new(sync.Map))
	return nil
}
