package instance

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	"linkspan/internal/clock"
	"linkspan/internal/fsx"
)

// Logins and users of master that an older build stored are what they were: administrators, and owners of certificates
// that connect through their logins.
func TestOldLoginsStayAdministrators(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	o := Options{Name: "sqlserver1", Kind: SQLServer, FS: fsx.NewMem(), Dir: "/srv", Clock: clock.System, Password: "Tests-only-1", Addresses: []string{"127.0.0.1"}}
	in, err := Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	old := map[string]any{"id": 257, "name": "app", "sid": bytes.Repeat([]byte{7}, sidSize), "hash": []byte{2, 0}, "created": time.Now(), "modified": time.Now(), "policy": true}
	put := func(kind, name string, v any) {
		b, err := json.Marshal(v)
		if err == nil {
			err = in.docs.Put(ctx, kind, name, b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put(kindLogin, "257", old)
	put(kindUser, "peer", userDoc{ID: 5, Name: "peer", Login: "app", Created: time.Now()})
	put(kindConnect, "app", connectDoc{Login: "app"})
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second start finds what the first one left
		if in, err = Open(ctx, o); err != nil {
			t.Fatal(err)
		}
		if l := in.loginByName("app"); l == nil || !in.token(l.ID).everything() || !in.token(l.ID).has("CONNECT SQL") {
			t.Errorf("the old login is %+v", l)
		}
		if login, may := in.mayConnect("peer"); login != "app" || !may {
			t.Errorf("the old user connects through %q: %v", login, may)
		}
		if docs, err := in.docs.Load(ctx, kindUser); err != nil || len(docs) > 0 {
			t.Errorf("old users are left: %d, %v", len(docs), err)
		}
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
