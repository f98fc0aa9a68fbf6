package instance_test

import (
	"os"
	"strings"
	"testing"

	"linkspan/sqltype"
)

// TestParityListsWhatItSays holds the page to what error messages promise of it.
func TestParityListsWhatItSays(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../docs/parity.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	for _, c := range sqltype.Collations() {
		if !strings.Contains(page, c.Name) {
			t.Errorf("the page does not list the collation %s", c.Name)
		}
	}
	s := logIn(t, open(t, options()))
	must(t, s, "CREATE DATABASE db1")
	for _, option := range []string{"READ_COMMITTED_SNAPSHOT ON", "ALLOW_SNAPSHOT_ISOLATION ON", "PAGE_VERIFY CHECKSUM", "AUTO_CLOSE OFF", "AUTO_SHRINK OFF",
		"AUTO_CREATE_STATISTICS ON", "AUTO_UPDATE_STATISTICS ON", "ACCELERATED_DATABASE_RECOVERY ON", "TRUSTWORTHY OFF", "DB_CHAINING OFF", "ENCRYPTION OFF", "MULTI_USER"} {
		if !strings.Contains(page, option) {
			t.Errorf("the page does not list %s", option)
		}
		text := "ALTER DATABASE db1 SET " + option
		if option == "ACCELERATED_DATABASE_RECOVERY ON" {
			text = "ALTER DATABASE db1 SET ACCELERATED_DATABASE_RECOVERY = ON"
		}
		must(t, s, text)
	}
}

// TestSecretsStayOutOfTheLog runs statements with secrets, good and bad, and looks for them in the log.
func TestSecretsStayOutOfTheLog(t *testing.T) {
	t.Parallel()
	o := options()
	log := new(lockedBuffer)
	o.Log = log.logger()
	in := open(t, o)
	s := logIn(t, in)
	for _, text := range []string{
		"CREATE MASTER KEY ENCRYPTION BY PASSWORD = 'Hidden-master-1'; CREATE MASTER KEY ENCRYPTION BY PASSWORD = 'Hidden-master-1'",
		"OPEN MASTER KEY DECRYPTION BY PASSWORD = 'Hidden-wrong-1'", "CREATE LOGIN app WITH PASSWORD = 'Hidden-app-1'", "CREATE LOGIN app WITH PASSWORD = 'Hidden-app-1'",
		"CREATE LOGIN app WITH PASSWORD = 'Hidden-app-1' oops", "ALTER LOGIN app WITH PASSWORD = 'Hidden-app-2' OLD_PASSWORD = 'Hidden-old-1'",
		"CREATE MASTER KEY ENCRYPTION BY PASSWORD = 'Hidden-unclosed-1", "EXEC('CREATE LOGIN app WITH PASSWORD = ''Hidden-app-1''')",
	} {
		if got := query(t, s, text); strings.Contains(got, "Hidden") && !strings.Contains(text, "unclosed") {
			t.Errorf("%s\nanswers %s", text, got)
		}
	}
	shut(t, in)
	if got := log.String(); strings.Contains(got, "Hidden") || strings.Contains(got, password) {
		t.Errorf("the log quotes a secret:\n%s", got)
	}
}
