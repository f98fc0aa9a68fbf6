package instance

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"linkspan/rel"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
)

// kindCredential is the kind of credentialDoc documents.
const kindCredential = "credential"

// credentialDoc is CREATE CREDENTIAL. The secret is kept under the service master key.
type credentialDoc struct {
	Name     string    `json:"name"`
	Identity string    `json:"identity"`
	Secret   []byte    `json:"secret,omitempty"`
	Created  time.Time `json:"created"`
	Modified time.Time `json:"modified"`
}

// sharedAccess is the identity of a credential for a blob container.
const sharedAccess = "SHARED ACCESS SIGNATURE"

// createCredential is CREATE CREDENTIAL and, with alter, ALTER CREDENTIAL. Errors: 15151, 15530.
func (in *Instance) createCredential(ctx context.Context, s *ast.CreateCredential) error {
	in.ddl.Lock()
	defer in.ddl.Unlock()
	old, err := in.credential(ctx, s.Name)
	if err != nil {
		return err
	}
	now := in.opts.Clock.Now().UTC()
	c := credentialDoc{Name: s.Name, Created: now}
	switch {
	case s.Alter && old == nil:
		return sqlerr.New(15151, "alter", "credential", s.Name)
	case !s.Alter && old != nil:
		return sqlerr.New(15530, s.Name)
	case old != nil:
		c.Created, c.Name = old.Created, old.Name
	}
	c.Identity, c.Modified = s.Identity, now
	if s.Secret != nil {
		if c.Secret, err = in.keeper.Seal([]byte(strings.TrimPrefix(*s.Secret, "?"))); err != nil {
			return fmt.Errorf("keep the secret of credential %q: %w", s.Name, err)
		}
	}
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return in.docs.Put(ctx, kindCredential, credentialKey(c.Name), b)
}

// dropCredential is DROP CREDENTIAL. Error 15151.
func (in *Instance) dropCredential(ctx context.Context, name string) error {
	in.ddl.Lock()
	defer in.ddl.Unlock()
	c, err := in.credential(ctx, name)
	if err != nil {
		return err
	}
	if c == nil {
		return sqlerr.New(15151, "drop", "credential", name)
	}
	return in.docs.Delete(ctx, kindCredential, credentialKey(c.Name))
}

// credentialKey is the form under which names compare: those of containers are addresses.
func credentialKey(name string) string { return strings.ToLower(strings.TrimSuffix(name, "/")) }

// credential finds a credential; nil when there is none.
func (in *Instance) credential(ctx context.Context, name string) (*credentialDoc, error) {
	docs, err := in.docs.Load(ctx, kindCredential)
	if err != nil {
		return nil, fmt.Errorf("load credentials: %w", err)
	}
	b, ok := docs[credentialKey(name)]
	if !ok {
		return nil, nil
	}
	c := new(credentialDoc)
	if err := json.Unmarshal(b, c); err != nil {
		return nil, fmt.Errorf("read stored credential %q: %w", name, err)
	}
	return c, nil
}

// signature gives the shared access signature for a container (device.Options.Credential).
func (in *Instance) signature(container string) (string, bool) {
	c, err := in.credential(context.Background(), container)
	if err != nil || c == nil || !strings.EqualFold(c.Identity, sharedAccess) || len(c.Secret) == 0 {
		return "", false
	}
	secret, err := in.keeper.Unseal(c.Secret)
	if err != nil {
		in.opts.Log.Error("the secret of a credential cannot be opened", "credential", c.Name, "error", err)
		return "", false
	}
	return string(secret), true
}

// credentialsView is sys.credentials; the secret is in no view.
func (in *Instance) credentialsView() rel.View {
	v := rel.View{Schema: "sys", Name: "credentials"}
	v.Columns = append(v.Columns, key("credential_id", tInt), key("name", tSysname), col("credential_identity", nvarchar(4000)), key("create_date", tDateTime),
		key("modify_date", tDateTime), col("target_type", nvarchar(100)), col("target_id", tInt))
	v.Rows = rows(func(ctx context.Context, _ rel.Scope) ([][]sqltype.Value, error) {
		docs, err := in.docs.Load(ctx, kindCredential)
		if err != nil {
			return nil, err
		}
		var all [][]sqltype.Value
		for _, b := range docs {
			var c credentialDoc
			if err := json.Unmarshal(b, &c); err != nil {
				return nil, err
			}
			all = append(all, []sqltype.Value{vInt(65536 + len(all)), vText(c.Name), vText(c.Identity), vTime(c.Created), vTime(c.Modified), vNull(tSysname), vNull(tInt)})
		}
		return all, nil
	})
	return v
}
