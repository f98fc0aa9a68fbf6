package instance_test

import (
	"context"
	"strings"
	"testing"

	"linkspan/sqlapi"
)

// BenchmarkStatement measures what a session's statements cost: an administrator's, for whom nothing is looked up, and
// those of a user with roles and permissions.
func BenchmarkStatement(b *testing.B) {
	in := open(b, options())
	s := logIn(b, in)
	for _, text := range []string{"CREATE DATABASE db1", "USE db1; CREATE TABLE t (id int IDENTITY PRIMARY KEY, v int)", "INSERT t (v) VALUES (1)"} {
		must(b, s, text)
	}
	who := map[string]sqlapi.Session{"administrator": s}
	if !strings.Contains(query(b, s, "CREATE USER u WITHOUT LOGIN"), "40510") { // in builds that know users
		must(b, s, "CREATE LOGIN app WITH PASSWORD = 'Secret-of-app-1'; CREATE USER app; CREATE ROLE r; ALTER ROLE r ADD MEMBER app; GRANT SELECT, INSERT ON t TO r")
		u, err := in.Login(context.Background(), sqlapi.Login{User: "app", Password: "Secret-of-app-1", Database: "db1"}, new(answer))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = u.Close() })
		who["user"] = u
	}
	for _, name := range []string{"administrator", "user"} {
		for _, c := range []struct{ what, text string }{{"select", "SELECT v FROM t WHERE id = 1"}, {"insert", "INSERT t (v) VALUES (1)"}} {
			if who[name] == nil {
				continue
			}
			b.Run(name+"/"+c.what, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := who[name].Batch(context.Background(), c.text, new(answer)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
