package sqlerr_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"linkspan/sqlerr"
)

func TestErrorSpelling(t *testing.T) {
	e := sqlerr.New(2627, "PRIMARY KEY", "PK_t", "dbo.t", "1").WithLine(3).WithLine(9)
	want := "Msg 2627, Level 14, State 1, Line 3: Violation of PRIMARY KEY constraint 'PK_t'. Cannot insert duplicate key in object 'dbo.t'. The duplicate key value is (1)."
	if e.Error() != want {
		t.Errorf("got  %s\nwant %s", e.Error(), want)
	}
	wrapped := fmt.Errorf("insert: %w", e)
	if sqlerr.Number(wrapped) != 2627 || !errors.Is(wrapped, &sqlerr.Error{Number: 2627}) {
		t.Errorf("the number is lost in %v", wrapped)
	}
	if got := sqlerr.From(errors.New("disk on fire")); got.Number != 50000 || !got.IsError() {
		t.Errorf("From(unnumbered) = %v", got)
	}
	if sqlerr.From(nil) != nil {
		t.Error("From(nil) is not nil")
	}
}

// Each number stands in one table: two areas would otherwise word one message differently, by map order.
func TestCatalogueHasNoDoubles(t *testing.T) {
	files, err := filepath.Glob("catalogue_*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no catalogue files", err)
	}
	row := regexp.MustCompile(`(?m)^\t(\d+):\s+\{`)
	seen := map[string]string{}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range row.FindAllStringSubmatch(string(src), -1) {
			if other, ok := seen[m[1]]; ok {
				t.Errorf("message %s stands in %s and in %s", m[1], other, f)
			}
			seen[m[1]] = f
		}
	}
	if len(seen) != len(sqlerr.Messages()) {
		t.Errorf("%d rows in the files, %d in the catalogue: a table is missing from the union", len(seen), len(sqlerr.Messages()))
	}
}
