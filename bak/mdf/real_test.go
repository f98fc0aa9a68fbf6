package mdf_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"linkspan/bak"
	"linkspan/bak/mdf"
	"linkspan/sqltype"
)

// openReal opens the database of real backups, laid over one another.
func openReal(t testing.TB, names ...string) *mdf.Database {
	t.Helper()
	root := filepath.Join("..", "..", "..", "shared", "backups")
	if _, err := os.Stat(filepath.Join(root, "manifest.json")); err != nil {
		t.Skipf("no real backups beside the repository: %v", err)
	}
	p := mdf.NewPages()
	for _, n := range names {
		f, err := os.Open(filepath.Join(root, n))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		st, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		c, err := bak.OpenContent(f, st.Size(), bak.Options{})
		if err != nil {
			t.Fatal(err)
		}
		m, err := bak.ReadMedia(c, bak.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.AddBackup(c, m.Sets[0]); err != nil {
			t.Fatal(err)
		}
	}
	d, err := mdf.Open(p, mdf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func find(t testing.TB, d *mdf.Database, name string) *mdf.Table {
	t.Helper()
	tab, err := d.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// rows reads a table as text, column by column.
func rows(t testing.TB, d *mdf.Database, name string) [][]string {
	t.Helper()
	var all [][]string
	err := d.Scan(find(t, d, name), func(row []sqltype.Value) error {
		var line []string
		for _, v := range row {
			line = append(line, v.String())
		}
		all = append(all, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRealStepsHaveTheOraclesRows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		files       []string
		rows        int
		first, last string
	}{
		{[]string{"restoretimeclean2016/RestoreTimeClean.bak", "restoretimeclean2016/RestoreTimeClean2.bak"}, 30, "2019-05-02 21:00:55", "2019-05-02 21:15:26"},
		{[]string{"simplerecovery/SimpleBacktest.bak", "simplerecovery/SimpleBackTest_1.bak"}, 10, "2018-04-06 10:30:32.707", "2018-04-06 10:35:02.730"},
		{[]string{"stripes/RestoreTimeStripe2.bak", "stripes/RestoreTimeStripe2a.bak"}, 30, "2017-12-15 12:46:53.967", "2017-12-15 12:49:19.447"},
	} {
		d := openReal(t, c.files...)
		steps := find(t, d, "dbo.steps")
		n, err := d.Count(steps)
		if err != nil || int(n) != c.rows {
			t.Errorf("%v: %d rows, want %d: %v", c.files, n, c.rows, err)
		}
		low, high := "9", ""
		for _, r := range rows(t, d, "steps") {
			low, high = min(low, r[1]), max(high, r[1])
		}
		if !strings.HasPrefix(low, c.first) || !strings.HasPrefix(high, c.last) {
			t.Errorf("%v: dt from %s to %s, want %s to %s", c.files, low, high, c.first, c.last)
		}
	}
}

func TestRealNorthwind(t *testing.T) {
	t.Parallel()
	d := openReal(t, "northwind/Northwind.bak")
	want := map[string]int64{"Categories": 8, "Customers": 97, "CustomerCustomerDemo": 0, "CustomerDemographics": 0, "EmployeeTerritories": 49, "Employees": 9,
		"Order Details": 2155, "Orders": 830, "Products": 77, "Region": 4, "Shippers": 6, "Suppliers": 29, "Territories": 53, "titulos_de_contacto": 4, "sysdiagrams": 0}
	got := map[string]int64{}
	for _, tab := range d.Tables {
		n, err := d.Count(tab)
		if err != nil {
			t.Error(err)
		}
		got[tab.Name] = n
		if err := d.Scan(tab, func([]sqltype.Value) error { return nil }); err != nil {
			t.Error(err)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
	kinds := map[string]int{}
	for _, m := range d.Modules {
		kinds[m.Kind]++
		if !strings.Contains(strings.ToLower(m.Text), "create") {
			t.Errorf("%s %s has the text %q", m.Kind, m.Name, m.Text)
		}
	}
	fks, defaults, checks := 0, 0, 0
	for _, tab := range d.Tables {
		fks += len(tab.ForeignKeys)
		checks += len(tab.Checks)
		for _, c := range tab.Columns {
			if c.Default != "" {
				defaults++
			}
		}
	}
	if d := cmp.Diff(map[string]int{"VIEW": 16, "PROCEDURE": 20, "FUNCTION": 1}, kinds); d != "" {
		t.Errorf("modules (-want +got):\n%s", d)
	}
	if fks != 13 || defaults != 9 || checks != 8 {
		t.Errorf("%d foreign keys, %d defaults, %d checks; want 13, 9, 8", fks, defaults, checks)
	}
	if d.Name != "Northwind" || d.Version != 661 {
		t.Errorf("database %q, version %d", d.Name, d.Version)
	}
	all := fmt.Sprint(rows(t, d, "Customers"), rows(t, d, "Suppliers"))
	for _, s := range []string{"México D.F.", "Århus", "Münster"} {
		if !strings.Contains(all, s) {
			t.Errorf("the text %s did not survive", s)
		}
	}
}

func TestRealNorthwindLargeValues(t *testing.T) {
	t.Parallel()
	d := openReal(t, "northwind/Northwind.bak")
	cat := find(t, d, "Categories")
	n := 0
	err := d.Scan(cat, func(row []sqltype.Value) error {
		if pic := row[3].S; len(pic) != 10746 || pic[78:80] != "BM" {
			t.Errorf("picture of %s has %d bytes", row[1].S, len(pic))
		}
		if row[2].S == "" {
			t.Errorf("description of %s is empty", row[1].S)
		}
		n++
		return nil
	})
	if err != nil || n != 8 {
		t.Fatalf("%d rows: %v", n, err)
	}
	if err := d.Scan(find(t, d, "Employees"), func(row []sqltype.Value) error {
		if len(row[14].S) < 20000 || len(row[15].S) < 50 {
			t.Errorf("photo of %d bytes, notes of %d", len(row[14].S), len(row[15].S))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
