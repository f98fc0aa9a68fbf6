package tdsserver_test

import (
	"context"
	"testing"

	"linkspan/sqlapi"
)

func TestLoginAndSelect(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"encrypt=true", "encrypt=strict", "encrypt=true&packet+size=32767", "encrypt=true&packet+size=512"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := start(t, &backend{})
			db := s.db(t, mode+"&database=sales&app+name=tester&ApplicationIntent=ReadOnly")
			var n int
			if err := db.QueryRowContext(context.Background(), "select 1").Scan(&n); err != nil || n != 1 {
				t.Fatalf("got %d, %v", n, err)
			}
			l := s.b.last(t)
			if l.User != "sa" || l.Database != "sales" || l.AppName != "tester" || !l.Encrypted || !l.ReadOnlyIntent || l.Library != "go-mssqldb" || l.ClientPID == 0 {
				t.Errorf("the backend saw %+v", l)
			}
		})
	}
}

var _ sqlapi.Backend = (*backend)(nil)
