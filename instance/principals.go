package instance

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"linkspan/catalog"
	"linkspan/lsn"
	"linkspan/sqlerr"
	"linkspan/storage"
	"linkspan/tsql/ast"
)

// The kinds of documents kept here.
const (
	// kindUser is that of older builds' users of master, by folded name.
	kindUser    = "user"
	kindConnect = "endpoint_connect" // a connectDoc, by folded login
)

// userDoc is what older builds kept of a user of master, outside its catalog.
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

// principals are who may connect to the endpoint.
type principals struct {
	mu       sync.RWMutex // protects what follows
	connects map[string]connectDoc
}

func (in *Instance) openPrincipals(ctx context.Context) error {
	p := &in.principals
	in.keeper.Authorize(in.mayConnect)
	p.connects = map[string]connectDoc{}
	if err := in.adoptUsers(ctx); err != nil {
		return err
	}
	docs, err := in.docs.Load(ctx, kindConnect)
	if err != nil {
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

// adoptUsers takes the users of master that an older build kept beside its catalog into the catalog.
func (in *Instance) adoptUsers(ctx context.Context) error {
	docs, err := in.docs.Load(ctx, kindUser)
	if err != nil {
		return fmt.Errorf("load users: %w", err)
	}
	for name, b := range docs {
		var u userDoc
		if err := json.Unmarshal(b, &u); err != nil {
			return fmt.Errorf("read stored user %s: %w", name, err)
		}
		p := catalog.Principal{Name: u.Name, Kind: "S", DefaultSchema: "dbo"}
		if l := in.loginByName(u.Login); u.Login != "" && l != nil {
			p.SID = l.SID
		}
		err := in.master().change(ctx, func(d *catalog.Definer) error {
			if d.Snapshot().Principal(p.Name) != nil {
				return nil
			}
			_, err := d.CreatePrincipal(p)
			return err
		})
		if err != nil {
			return fmt.Errorf("take over user %s of master: %w", u.Name, err)
		}
		if err := in.docs.Delete(ctx, kindUser, name); err != nil {
			return err
		}
	}
	return nil
}

func (in *Instance) master() *Database { return in.byID(masterID) }

// change changes the catalog of a database outside any session; durable when it returns nil.
func (d *Database) change(ctx context.Context, f func(*catalog.Definer) error) error {
	db, err := d.Storage()
	if err != nil {
		return err
	}
	w, err := db.Writer(ctx)
	if err != nil {
		return err
	}
	defer w.Rollback()
	snap, err := catalog.Load(w, "")
	if err != nil {
		return err
	}
	if err := f(catalog.NewDefiner(w, snap, d.in.opts.Clock.Now())); err != nil {
		return err
	}
	at, err := w.Commit(ctx)
	if err != nil || at == lsn.Zero {
		return err
	}
	return db.WaitHardened(ctx, at)
}

// schema reads the newest schema of a database.
func (d *Database) schema(ctx context.Context) (*catalog.Snapshot, error) {
	db, err := d.Storage()
	if err != nil {
		return nil, err
	}
	c, err := db.Reader(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Release()
	return schemaOf(c, d.Catalog())
}

func schemaOf(c *storage.Conn, cache *catalog.Cache) (*catalog.Snapshot, error) {
	if _, err := c.Begin(); err != nil {
		return nil, err
	}
	snap, err := cache.Get(c)
	if eerr := c.End(); err == nil {
		err = eerr
	}
	return snap, err
}

// mayConnect says through which login the owner of a certificate connects to the mirroring endpoint, and whether it may.
func (in *Instance) mayConnect(owner string) (string, bool) {
	if owner == "" {
		return in.opts.Administrator, true
	}
	snap, err := in.master().schema(context.Background())
	if err != nil {
		return owner, false
	}
	u := snap.Principal(owner)
	if u == nil {
		return owner, false
	}
	l := in.loginBySID(u.SID)
	if l == nil {
		return owner, false
	}
	p := &in.principals
	p.mu.RLock()
	defer p.mu.RUnlock()
	c, granted := p.connects[in.fold(l.Name)]
	return l.Name, !l.Disabled && (l.ID == administratorID || granted && !c.Denied)
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

// endpointPermission is GRANT, DENY and REVOKE CONNECT ON ENDPOINT::e TO logins. What is taken away ends the connections
// that rest on it. Errors: 15151 no such endpoint or login.
func (in *Instance) endpointPermission(ctx context.Context, s *ast.Permission) error {
	if !in.hasEndpoint(s.On.Name) {
		return sqlerr.New(15151, "find", "endpoint", s.On.Name)
	}
	if !slices.Equal(s.Permissions, []string{"CONNECT"}) {
		return unsupported(strings.Join(s.Permissions, ", ")+" ON ENDPOINT", "only CONNECT has a meaning")
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

// connectOf is what a login was told about the mirroring endpoint: "G", "D" or "".
func (in *Instance) connectOf(login string) string {
	in.principals.mu.RLock()
	defer in.principals.mu.RUnlock()
	c, ok := in.principals.connects[in.fold(login)]
	switch {
	case !ok:
		return ""
	case c.Denied:
		return "D"
	}
	return "G"
}
