package replay_test

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	"linkspan/armclient"
	"linkspan/migrate/flow"
	"linkspan/migrate/replay"
)

// Each thing that is wrong with the way to the target has its own words and next step.
func TestTroubles(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	ca, err := os.ReadFile(r.ready.ARM.CA)
	if err != nil {
		t.Fatal(err)
	}
	good := armclient.Options{Endpoint: r.ready.ARM.URL, CA: ca, Tenant: r.ready.ARM.Tenant, ClientID: r.ready.ARM.ClientID, ClientSecret: "wrong-secret-of-enough-length"}
	client := func(change func(*armclient.Options)) *armclient.Client {
		o := good
		change(&o)
		c, err := armclient.New(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	gone := r.id
	gone.Name = "sqlmi9"
	for says, o := range map[string]replay.Options{
		"is not let in":              {Client: client(func(*armclient.Options) {}), Instance: r.id},
		"is not reached":             {Client: client(func(o *armclient.Options) { o.Endpoint = "https://" + closed.Addr().String() }), Instance: r.id},
		"no authority that is known": {Client: client(func(o *armclient.Options) { o.CA = nil }), Instance: r.id},
		"no managed instance sqlmi9": {Client: r.arm, Instance: gone},
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
			defer cancel()
			o.Container, o.Database = "file:///nowhere", "moved"
			_, _, err := replay.New(o).Follow(ctx)
			is[*flow.Hindrance](t, err, says)
		})
	}
	is[*flow.Hindrance](t, replay.New(replay.Options{Client: r.arm, Instance: r.id, Container: "file:///etc", Database: "moved"}).Start(t.Context()), "not one that the target may read")
}
