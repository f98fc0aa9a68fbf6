package rescue_test

import (
	"bytes"
	"strings"
	"testing"

	"linkspan/internal/fsx"
	"linkspan/rescue"
)

// A tail that is compared with the new primary instead of the fork says so wherever it is shown: what the new primary
// changed itself is among the differences.
func TestPartial(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fork("CREATE TABLE t (id int PRIMARY KEY, v varchar(20)); INSERT t VALUES (1, 'both')", "INSERT t VALUES (2, 'lost')")
	r.run("base", "INSERT t VALUES (3, 'new')")
	base, err := r.storage("base").Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer base.Release()
	lost, err := r.storage("lost").Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lost.Release()
	h := header
	h.Against = "the new primary as it was at LSN 7:8:9"
	disk := fsx.NewMem()
	path, s, err := rescue.Keeper{FS: disk, Dir: "/srv/rescue"}.SaveBetween(t.Context(), base, lost, h)
	if err != nil || s.Inserted != 1 || s.Deleted != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	data := r.read(disk.CrashClone(1, 0), path)
	var text, lines strings.Builder
	if err := rescue.WriteText(&text, bytes.NewReader(data), rescue.Filter{}); err != nil {
		t.Fatal(err)
	}
	if err := rescue.WriteJSON(&lines, bytes.NewReader(data), rescue.Filter{}); err != nil {
		t.Fatal(err)
	}
	for shown, want := range map[string][]string{
		text.String():                {"compared with: " + h.Against, "partial: ", "+ id=2", "- id=3"},
		lines.String():               {`"partial":true`, h.Against, "lost", "new"},
		r.sql(data, rescue.Filter{}): {h.Against, "Choose statements, do not run it whole", "'lost'"},
	} {
		for _, w := range want {
			if !strings.Contains(shown, w) {
				t.Errorf("%q is not in\n%s", w, shown)
			}
		}
	}
	got, err := rescue.Open(bytes.NewReader(data))
	if err != nil || got.Header() != h {
		t.Errorf("the header is %+v, %v", got.Header(), err)
	}
}
