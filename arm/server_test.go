package arm_test

import (
	"context"
	"encoding/hex"
	"strings"
	"testing"

	"linkspan/arm"
	"linkspan/armtypes"
)

// The two requests of the published link scripts, byte for byte with the placeholders filled in: the first spells
// PublicBlob, the second leaves a comma behind the last property.
func TestScriptsOfTheLinkGuide(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	der := makeCertificate(t, "Cert_sqlserver1_endpoint")

	body := `{ "properties":{ "PublicBlob":"0x` + strings.ToUpper(hex.EncodeToString(der)) + `" } }`
	put := w.do("PUT", instancePath+"/serverTrustCertificates/Cert_sqlserver1_endpoint?api-version=2021-08-01-preview", body)
	if done := w.finish(put); done.body["status"] != "Succeeded" {
		t.Fatalf("upload: %s", done.raw)
	}
	if put.body["startTime"] == nil {
		t.Errorf("the answer shows no time stamp: %s", put.raw)
	}
	got := w.do("GET", instancePath+"/serverTrustCertificates/cert_SQLSERVER1_endpoint?api-version=2021-08-01-preview", "")
	if got.status != 200 || got.at("properties", "publicBlob") != armtypes.BareBlob(der) || got.at("properties", "certificateName") != "Cert_sqlserver1_endpoint" ||
		got.at("properties", "thumbprint") != armtypes.BareThumbprint(der) {
		t.Errorf("certificate: %d %s", got.status, got.raw)
	}

	body = "\n{\n    \"properties\":{\n        \"TargetDatabase\":\"db1\",\n        \"SourceEndpoint\":\"TCP://10.0.0.4:5022\",\n" +
		"        \"PrimaryAvailabilityGroupName\":\"AG_db1\",\n        \"SecondaryAvailabilityGroupName\":\"sqlmi1\",\n    }\n}\n"
	put = w.do("PUT", instancePath+"/distributedAvailabilityGroups/DAG_db1?api-version=2021-05-01-preview", body)
	if done := w.finish(put); done.body["status"] != "Succeeded" {
		t.Fatalf("link: %s", done.raw)
	}
	old := w.do("GET", instancePath+"/distributedAvailabilityGroups/DAG_db1?api-version=2021-05-01-preview", "")
	if old.at("properties", "targetDatabase") != "db1" || old.at("properties", "sourceEndpoint") != "TCP://10.0.0.4:5022" ||
		old.at("properties", "linkState") != "LinkSynchronizing" || old.at("properties", "databases") != nil {
		t.Errorf("old body: %s", old.raw)
	}
	latest := w.do("GET", instancePath+"/distributedAvailabilityGroups/DAG_db1?api-version=2025-01-01", "")
	dbs, _ := latest.at("properties", "databases").([]any)
	if len(dbs) != 1 || dbs[0].(map[string]any)["databaseName"] != "db1" || dbs[0].(map[string]any)["synchronizationHealth"] != "HEALTHY" ||
		latest.at("properties", "partnerEndpoint") != "TCP://10.0.0.4:5022" || latest.at("properties", "instanceLinkRole") != "Secondary" || latest.at("properties", "targetDatabase") != nil {
		t.Errorf("new body: %s", latest.raw)
	}
	// The result that Location points to is the link too, in the version of the request.
	if res := w.do("GET", put.header.Get("Location"), ""); res.status != 200 || res.at("properties", "targetDatabase") != "db1" {
		t.Errorf("operation result: %d %s", res.status, res.raw)
	}
}

func TestLinkLife(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	const link = instancePath + "/distributedAvailabilityGroups/dag%20%5Bx%5D?api-version=2023-08-01"
	body := `{"properties":{"databases":[{"databaseName":"db ]1'"}],"partnerEndpoint":"tcp://sql.example:5022","partnerAvailabilityGroupName":"ag","instanceAvailabilityGroupName":"mi ag","instanceLinkRole":"Secondary","failoverMode":"Manual","seedingMode":"Automatic"}}`
	if a := w.finish(w.do("PUT", link, body)); a.body["status"] != "Succeeded" {
		t.Fatal(a.raw)
	}
	if a := w.finish(w.do("PATCH", link, `{"properties":{"replicationMode":"sync"}}`)); a.body["status"] != "Succeeded" {
		t.Fatal(a.raw)
	}
	got := w.do("GET", link, "")
	if got.at("properties", "replicationMode") != "Sync" || got.at("name") != "dag [x]" || got.at("type") != armtypes.LinkType {
		t.Errorf("link: %s", got.raw)
	}
	all := w.do("GET", instancePath+"/distributedAvailabilityGroups?api-version=2023-08-01", "")
	if v, _ := all.body["value"].([]any); len(v) != 1 {
		t.Errorf("list: %s", all.raw)
	}
	if a := w.do("PUT", link, strings.Replace(body, "sql.example", "other.example", 1)); a.status != 409 {
		t.Errorf("another link under the name: %d %s", a.status, a.raw)
	}
	if a := w.finish(w.do("DELETE", link, "")); a.body["status"] != "Succeeded" {
		t.Fatal(a.raw)
	}
	if a := w.do("GET", link, ""); a.status != 404 || a.code() != "ResourceNotFound" || a.header.Get("x-ms-error-code") != "ResourceNotFound" {
		t.Errorf("after delete: %d %s", a.status, a.raw)
	}
	if a := w.do("DELETE", link, ""); a.status != 204 {
		t.Errorf("delete again: %d %s", a.status, a.raw)
	}
}

// What the instance refuses reaches the caller with the number it was born with, by both polling addresses.
func TestFailedOperationCarriesTheSQLError(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.fake.setCreate(notThere)
	put := w.do("PUT", instancePath+"/distributedAvailabilityGroups/d?api-version=2021-05-01-preview", oldBody("db1"))
	done := w.finish(put)
	if done.body["status"] != "Failed" || done.code() != "41976" || !strings.Contains(done.raw, "AG_db1") {
		t.Errorf("status: %s", done.raw)
	}
	res := w.do("GET", put.header.Get("Location"), "")
	if res.status != 400 || res.code() != "41976" {
		t.Errorf("result: %d %s", res.status, res.raw)
	}
	// The same request works once the cause is gone.
	w.fake.setCreate(nil)
	if a := w.finish(w.do("PUT", instancePath+"/distributedAvailabilityGroups/d?api-version=2021-05-01-preview", oldBody("db1"))); a.body["status"] != "Succeeded" {
		t.Error(a.raw)
	}
}

func oldBody(db string) string {
	return `{"properties":{"targetDatabase":"` + db + `","sourceEndpoint":"tcp://10.0.0.4:5022","primaryAvailabilityGroupName":"AG_db1","secondaryAvailabilityGroupName":"sqlmi1"}}`
}

// A request that is repeated while it runs is the same operation; another one has to wait; a DELETE ends it.
func TestOperationsOnOneLink(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	entered := make(chan struct{})
	w.fake.create = func(ctx context.Context, _ armtypes.LinkSpec) error {
		close(entered)
		<-ctx.Done()
		return ctx.Err()
	}
	const link = instancePath + "/distributedAvailabilityGroups/d?api-version=2021-05-01-preview"
	first := w.do("PUT", link, oldBody("db1"))
	<-entered
	if res := w.do("GET", first.header.Get("Location"), ""); res.status != 202 || res.header.Get("Location") == "" {
		t.Errorf("result while it runs: %d %s", res.status, res.raw)
	}
	if again := w.do("PUT", link, oldBody("db1")); again.header.Get("Azure-AsyncOperation") != first.header.Get("Azure-AsyncOperation") {
		t.Errorf("the same request began another operation: %s", again.raw)
	}
	if other := w.do("PUT", link, oldBody("db2")); other.status != 409 || other.code() != "ConflictingServerOperation" {
		t.Errorf("another request: %d %s", other.status, other.raw)
	}
	if del := w.finish(w.do("DELETE", link, "")); del.body["status"] != "Succeeded" {
		t.Errorf("delete: %s", del.raw)
	}
	if a := w.finish(first); a.body["status"] != "Canceled" {
		t.Errorf("the creation: %s", a.raw)
	}
}

// Addresses in answers come from the configuration: a caller cannot have a victim's client poll elsewhere.
func TestPollingAddressesIgnoreTheHostHeader(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	a := w.send("PUT", instancePath+"/distributedAvailabilityGroups/d?api-version=2021-05-01-preview", oldBody("db1"),
		map[string]string{"Authorization": "Bearer " + w.token(), "Content-Type": "application/json", "Host": "evil.example", "X-Forwarded-Host": "evil.example"})
	for _, h := range []string{"Azure-AsyncOperation", "Location"} {
		if !strings.HasPrefix(a.header.Get(h), w.base+"/subscriptions/") {
			t.Errorf("%s is %q", h, a.header.Get(h))
		}
	}
	m := w.send("GET", "/metadata/endpoints?api-version=2015-01-01", "", map[string]string{"Host": "evil.example"})
	if strings.Contains(m.raw, "evil") {
		t.Errorf("metadata: %s", m.raw)
	}
	w.finish(a)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	const v = "?api-version=2021-08-01-preview"
	trust := instancePath + "/serverTrustCertificates/c" + v
	link := instancePath + "/distributedAvailabilityGroups/d" + v
	blob := func(s string) string { return `{"properties":{"publicBlob":"` + s + `"}}` }
	der := makeCertificate(t, "x")
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		code, says               string
	}{
		{"no api-version", "GET", "/subscriptions", "", 400, "MissingApiVersionParameter", ""},
		{"nonsense api-version", "GET", "/subscriptions?api-version=latest", "", 400, "InvalidApiVersionParameter", ""},
		{"impossible date", "GET", "/subscriptions?api-version=2021-13-41", "", 400, "InvalidApiVersionParameter", ""},
		{"unknown path", "GET", "/nowhere" + v, "", 404, "ResourceNotFound", ""},
		{"wrong method", "PUT", "/subscriptions" + v, "{}", 405, "MethodNotAllowed", ""},
		{"other subscription", "GET", strings.Replace(instancePath, subscription, tenant, 1) + v, "", 404, "SubscriptionNotFound", ""},
		{"other group", "GET", strings.Replace(instancePath, "rg1", "rg2", 1) + v, "", 404, "ResourceGroupNotFound", "rg2"},
		{"other instance", "GET", strings.Replace(instancePath, "sqlmi1", "sqlmi2", 1) + v, "", 404, "ResourceNotFound", "sqlmi2"},
		{"link of another instance", "PUT", strings.Replace(link, "sqlmi1", "sqlmi2", 1), oldBody("db1"), 404, "ResourceNotFound", "sqlmi2"},
		{"no JSON", "PUT", trust, "{", 400, "InvalidRequestContent", ""},
		{"two documents", "PUT", trust, blob("0x00") + "{}", 400, "InvalidRequestContent", ""},
		{"no blob", "PUT", trust, `{"properties":{}}`, 400, "InvalidPublicBlob", "empty"},
		{"no certificate", "PUT", trust, blob("0x0102030405"), 400, "InvalidPublicBlob", "no X.509 certificate"},
		{"not hex", "PUT", trust, blob("0x01zz"), 400, "InvalidPublicBlob", "not hex"},
		{"T-SQL behind the certificate", "PUT", trust, blob(armtypes.PublicBlob(der) + "; DROP DATABASE db1"), 400, "InvalidPublicBlob", "not hex"},
		{"bytes behind the certificate", "PUT", trust, blob(armtypes.PublicBlob(der) + "00"), 400, "InvalidPublicBlob", "follow"},
		{"two certificates", "PUT", trust, blob(armtypes.PublicBlob(der) + armtypes.BareBlob(der)), 400, "InvalidPublicBlob", "follow"},
		{"too big", "PUT", trust, blob(strings.Repeat("00", 1<<20)), 413, "RequestEntityTooLarge", ""},
		{"empty link", "PUT", link, `{"properties":{}}`, 400, "InvalidParameterValue", ""},
		{"no port", "PUT", link, strings.Replace(oldBody("db1"), ":5022", "", 1), 400, "InvalidParameterValue", "tcp://host:port"},
		{"no scheme", "PUT", link, strings.Replace(oldBody("db1"), "tcp://", "", 1), 400, "InvalidParameterValue", "tcp://host:port"},
		{"two generations", "PUT", link, strings.Replace(oldBody("db1"), `"targetDatabase"`, `"partnerEndpoint":"tcp://x:1","targetDatabase"`, 1), 400, "InvalidParameterValue", "generations"},
		{"two databases", "PUT", link, `{"properties":{"databases":[{"databaseName":"a"},{"databaseName":"b"}],"partnerEndpoint":"tcp://x:1","partnerAvailabilityGroupName":"a","instanceAvailabilityGroupName":"b"}}`, 400, "InvalidParameterValue", "exactly one"},
		{"role Primary", "PUT", link, `{"properties":{"databases":[{"databaseName":"a"}],"partnerEndpoint":"tcp://x:1","partnerAvailabilityGroupName":"a","instanceAvailabilityGroupName":"b","instanceLinkRole":"Primary"}}`, 400, "OperationNotSupported", ""},
		{"failover of no link", "POST", instancePath + "/distributedAvailabilityGroups/d/failover" + v, `{"failoverType":"Planned"}`, 404, "ResourceNotFound", ""},
		{"instance failover", "POST", instancePath + "/failover" + v, "", 400, "OperationNotSupported", ""},
		{"broker's certificate", "GET", instancePath + "/endpointCertificates/SERVICE_BROKER" + v, "", 404, "ResourceNotFound", ""},
		{"path separator in a name", "PUT", instancePath + "/serverTrustCertificates/a%2Fb" + v, blob(armtypes.PublicBlob(der)), 400, "InvalidResourceName", ""},
	} {
		a := w.do(c.method, c.path, c.body)
		if a.status != c.status || a.code() != c.code || !strings.Contains(a.raw, c.says) {
			t.Errorf("%s: want %d %s %q, got %d %s", c.name, c.status, c.code, c.says, a.status, a.raw)
		}
	}
	if len(w.fake.trust)+len(w.fake.links) > 0 {
		t.Errorf("something was changed: %v %v", w.fake.trust, w.fake.links)
	}
}

func TestReading(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.fake.dbs = []arm.Database{{Name: "db1", Status: "Restoring"}}
	const v = "?api-version=2021-11-01-preview"
	for _, c := range []struct{ path, says string }{
		{"/subscriptions", subscription},
		{"/subscriptions/" + subscription, "Enabled"},
		{"/SUBSCRIPTIONS/" + subscription + "/resourcegroups", "rg1"},
		{"/subscriptions/" + subscription + "/resourceGroups/RG1", "rg1"},
		{"/tenants", tenant},
		{"/subscriptions/" + subscription + "/providers/Microsoft.Sql", "Registered"},
		{"/subscriptions/" + subscription + "/providers/Microsoft.Sql/managedInstances", "sqlmi1.linkspan.test"},
		{"/subscriptions/" + subscription + "/resourceGroups/rg1/providers/Microsoft.Sql/managedInstances", "sqlmi1.linkspan.test"},
		{strings.ToUpper(instancePath), "sqlmi1.linkspan.test"},
		{instancePath + "/databases", "Restoring"},
		{instancePath + "/databases/DB1", "Restoring"},
		{instancePath + "/endpointCertificates", armtypes.BareBlob(w.fake.own)},
		{instancePath + "/endpointCertificates/database_mirroring", armtypes.BareBlob(w.fake.own)},
		{instancePath + "/serverTrustCertificates", `"value":[]`},
	} {
		a := w.do("GET", c.path+v, "")
		if a.status != 200 || !strings.Contains(a.raw, c.says) {
			t.Errorf("%s: want %q, got %d %s", c.path, c.says, a.status, a.raw)
		}
		if a.header.Get("x-ms-request-id") == "" || a.header.Get("x-ms-correlation-request-id") == "" {
			t.Errorf("%s: no request ids", c.path)
		}
	}
}
