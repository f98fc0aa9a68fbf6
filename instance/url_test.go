package instance_test

import (
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"linkspan/media/mediatest"
)

// Backups go to a blob container and come back, with the credential made for it and no other.
func TestBackupsInBlobStorage(t *testing.T) {
	t.Parallel()
	a := mediatest.StartAzurite(t)
	_, address, signature := a.Container(t, "backups", sas.ContainerPermissions{Read: true, List: true, Write: true, Create: true, Add: true, Delete: true})
	_, readOnly, readSignature := a.Container(t, "readonly", sas.ContainerPermissions{Read: true, List: true})
	o, _ := withFolder(t)
	s := logIn(t, open(t, o))
	must(t, s, "CREATE DATABASE d; CREATE CREDENTIAL ["+address+"] WITH IDENTITY = 'SHARED ACCESS SIGNATURE', SECRET = '"+signature+"'")
	must(t, s, "CREATE CREDENTIAL ["+readOnly+"] WITH IDENTITY = 'SHARED ACCESS SIGNATURE', SECRET = '"+readSignature+"'")
	must(t, s, "CREATE TABLE d.dbo.t(a int, b varbinary(max)); INSERT d.dbo.t VALUES (1, CONVERT(varbinary(max), REPLICATE(CONVERT(varchar(max), 'x'), 3000000)))")
	must(t, s, "BACKUP DATABASE d TO URL = '"+address+"/a/full-1.bak', URL = '"+address+"/a/full-2.bak' WITH FORMAT, CHECKSUM")
	must(t, s, "INSERT d.dbo.t(a) VALUES (2); BACKUP LOG d TO URL = '"+address+"/a/log.trn'")
	must(t, s, "RESTORE VERIFYONLY FROM URL = '"+address+"/a/full-1.bak', URL = '"+address+"/a/full-2.bak'")
	must(t, s, "RESTORE DATABASE r FROM URL = '"+address+"/a/full-2.bak', URL = '"+address+"/a/full-1.bak' WITH NORECOVERY; RESTORE LOG r FROM URL = '"+address+"/a/log.trn'")
	if got := must(t, s, "SELECT COUNT(*) AS n, MAX(DATALENGTH(b)) AS b FROM r.dbo.t"); got != "n | b\n  2 | 3000000\n" {
		t.Errorf("restored %s", got)
	}
	refused(t, s, 3271, "BACKUP LOG d TO URL = '"+address+"/a/log.trn'")
	got := refused(t, s, 3202, "BACKUP DATABASE d TO URL = '"+readOnly+"/x.bak'")
	if strings.Contains(got, "sig=") || strings.Contains(got, readSignature) {
		t.Errorf("a message holds the signature: %s", got)
	}
	refused(t, s, 3201, "RESTORE HEADERONLY FROM URL = '"+address+"/a/nowhere.bak'")
	got = refused(t, s, 3201, "BACKUP DATABASE d TO URL = '"+address+"/x.bak?"+signature+"'")
	if strings.Contains(got, "sig=") {
		t.Errorf("a message holds the signature: %s", got)
	}
	must(t, s, "ALTER CREDENTIAL ["+address+"] WITH IDENTITY = 'SHARED ACCESS SIGNATURE', SECRET = 'sv=2022-11-02&sig=bm90IHJpZ2h0'")
	refused(t, s, 3201, "RESTORE HEADERONLY FROM URL = '"+address+"/a/log.trn'")
}
