package instance

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/tsql/ast"
	"linkspan/tsql/exec"
)

// The kinds of documents kept here.
const (
	kindUser    = "user"             // a userDoc of master, by folded name
	kindConnect = "endpoint_connect" // a connectDoc, by folded login
)

// firstUserID is the lowest principal_id of a user.
const firstUserID = 5

// userDoc is what master remembers of one of its users. Users exist for certificates: whoever shows an imported certificate
// connects through the login of the user that owns it.
type userDoc struct {
	ID      int       `json:"id"`
	Name    string    `json:"name"`
	Login   string    `json:"login,omitempty"`
	Created time.Time `json:"created"`
}

// connectDoc is CONNECT on the mirroring endpoint, granted or denied.
type connectDoc struct {
	Login  string `json:"login"`
	Denied bool   `json:"denied,omitempty"`
}

// principals are the users of master and who may connect to the endpoint.
type principals struct {
	mu       sync.RWMutex // protects what follows
	users    map[string]userDoc
	connects map[string]connectDoc
}

func (in *Instance) openPrincipals(ctx context.Context) error {
	p := &in.principals
	in.keeper.Authorize(in.mayConnect)
	p.users, p.connects = map[string]userDoc{}, map[string]connectDoc{}
	docs, err := in.docs.Load(ctx, kindUser)
	if err != nil {
		return fmt.Errorf("load users: %w", err)
	}
	for name, b := range docs {
		var u userDoc
		if err := json.Unmarshal(b, &u); err != nil {
			return fmt.Errorf("read stored user %s: %w", name, err)
		}
		p.users[in.fold(u.Name)] = u
	}
	if docs, err = in.docs.Load(ctx, kindConnect); err != nil {
		return fmt.Errorf("load permissions: %w", err)
	}
	for name, b := range docs {
		var c connectDoc
		if err := json.Unmarshal(b, &c); err != nil {
			return fmt.Errorf("read stored permission %s: %w", name, err)
		}
		p.connects[in.fold(c.Login)] = c
	}
	return nil
}

// mayConnect says through which login the owner of a certificate connects to the mirroring endpoint, and whether it may.
func (in *Instance) mayConnect(owner string) (string, bool) {
	if owner == "" {
		return in.opts.Administrator, true
	}
	p := &in.principals
	p.mu.RLock()
	defer p.mu.RUnlock()
	u, ok := p.users[in.fold(owner)]
	if !ok || u.Login == "" {
		return owner, false
	}
	l := in.loginByName(u.Login)
	c, granted := p.connects[in.fold(u.Login)]
	return u.Login, l != nil && !l.Disabled && (l.ID == administratorID || granted && !c.Denied)
}

// user finds a user of master.
func (in *Instance) user(name string) (userDoc, bool) {
	in.principals.mu.RLock()
	defer in.principals.mu.RUnlock()
	u, ok := in.principals.users[in.fold(name)]
	return u, ok
}

// createUser is CREATE USER in master. Errors: 15023 the name is taken, 15007 no such login, 15063 the login has a user.
func (in *Instance) createUser(ctx context.Context, c exec.Caller, s *ast.CreateUser) error {
	switch {
	case !strings.EqualFold(c.Database, "master"):
		return unsupported("CREATE USER outside master", "every login is an administrator in every database")
	case s.Alter:
		return unsupported("ALTER USER", "drop the user and create it again")
	case s.Source != "" && s.Source != "LOGIN" && s.Source != "WITHOUT LOGIN":
		return unsupported("CREATE USER … FOR "+s.Source, "use FOR LOGIN")
	}
	in.ddl.Lock()
	defer in.ddl.Unlock()
	if _, taken := in.user(s.Name); taken || strings.EqualFold(s.Name, "dbo") {
		return sqlerr.New(15023, s.Name)
	}
	u := userDoc{ID: firstUserID, Name: s.Name, Created: in.opts.Clock.Now().UTC()}
	if s.Source != "WITHOUT LOGIN" {
		name := s.SourceName
		if name == "" {
			name = s.Name
		}
		l := in.loginByName(name)
		if l == nil {
			return sqlerr.New(15007, name)
		}
		u.Login = l.Name
	}
	in.principals.mu.RLock()
	for _, o := range in.principals.users {
		u.ID = max(u.ID, o.ID+1)
		if u.Login != "" && in.fold(o.Login) == in.fold(u.Login) {
			in.principals.mu.RUnlock()
			return sqlerr.New(15063)
		}
	}
	in.principals.mu.RUnlock()
	if err := in.putPrincipal(ctx, kindUser, u.Name, u); err != nil {
		return err
	}
	in.principals.mu.Lock()
	defer in.principals.mu.Unlock()
	in.principals.users[in.fold(u.Name)] = u
	return nil
}

func (in *Instance) putPrincipal(ctx context.Context, kind, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := in.docs.Put(ctx, kind, in.fold(name), b); err != nil {
		return fmt.Errorf("store %s %q: %w", kind, name, err)
	}
	return nil
}

// dropUser is DROP USER in master. Errors: 15151 there is none, 15136 it owns a certificate.
func (in *Instance) dropUser(ctx context.Context, c exec.Caller, s *ast.DropUser) error {
	if !strings.EqualFold(c.Database, "master") {
		return unsupported("DROP USER outside master", "there are no users there")
	}
	in.ddl.Lock()
	defer in.ddl.Unlock()
	u, ok := in.user(s.Name)
	switch {
	case !ok && s.IfExists:
		return nil
	case !ok:
		return sqlerr.New(15151, "drop", "user", s.Name)
	}
	for _, cert := range in.keeper.Certificates() {
		if in.fold(cert.Owner) == in.fold(u.Name) {
			return sqlerr.New(15559, "user", u.Name, "certificate")
		}
	}
	if err := in.docs.Delete(ctx, kindUser, in.fold(u.Name)); err != nil {
		return fmt.Errorf("delete user %q: %w", u.Name, err)
	}
	in.principals.mu.Lock()
	defer in.principals.mu.Unlock()
	delete(in.principals.users, in.fold(u.Name))
	return nil
}

// connectPermission is GRANT, DENY and REVOKE CONNECT ON ENDPOINT::e TO logins. What is taken away ends the connections
// that rest on it. Errors: 15151 no such endpoint or login.
func (in *Instance) connectPermission(ctx context.Context, s *ast.Permission) error {
	if !in.hasEndpoint(s.On.Name) {
		return sqlerr.New(15151, "find", "endpoint", s.On.Name)
	}
	in.ddl.Lock()
	defer in.ddl.Unlock()
	for _, id := range s.Principals {
		if in.loginByName(id.Name) == nil {
			return sqlerr.New(15151, "find", "login", id.Name)
		}
	}
	for _, id := range s.Principals {
		if err := in.setConnect(ctx, s.Verb, in.loginByName(id.Name).Name); err != nil {
			return err
		}
	}
	in.hadr.CheckPartners()
	return nil
}

func (in *Instance) setConnect(ctx context.Context, verb, login string) error {
	c := connectDoc{Login: login, Denied: verb == "DENY"}
	var err error
	if verb == "REVOKE" {
		err = in.docs.Delete(ctx, kindConnect, in.fold(login))
	} else {
		err = in.putPrincipal(ctx, kindConnect, login, c)
	}
	if err != nil {
		return err
	}
	in.principals.mu.Lock()
	defer in.principals.mu.Unlock()
	if verb == "REVOKE" {
		delete(in.principals.connects, in.fold(login))
	} else {
		in.principals.connects[in.fold(login)] = c
	}
	return nil
}

// joinGroup is ALTER AVAILABILITY GROUP … JOIN AVAILABILITY GROUP ON.
func (in *Instance) joinGroup(ctx context.Context, s *ast.AlterGroup, out sqlapi.ResultSink) error {
	messages, err := in.hadr.JoinDistributed(ctx, distributedSpec(s.Name, s.Members))
	if err != nil {
		return err
	}
	return send(out, messages)
}
