package arm_test

import (
	"context"
	"testing"

	"linkspan/arm"
	"linkspan/armtypes"
	"linkspan/sqlerr"
)

const (
	linkPath = instancePath + "/distributedAvailabilityGroups/DAG_db1"
	version  = "?api-version=2023-08-01"
)

// linked is an endpoint with one link.
func linked(t *testing.T, change func(*arm.Options)) *world {
	t.Helper()
	w := start(t, change)
	if a := w.finish(w.do("PUT", linkPath+"?api-version=2021-05-01-preview", oldBody("db1"))); a.body["status"] != "Succeeded" {
		t.Fatal(a.raw)
	}
	return w
}

// roles are what a GET shows.
func (w *world) roles() string {
	w.t.Helper()
	a := w.do("GET", linkPath+version, "")
	mine, _ := a.at("properties", "instanceLinkRole").(string)
	theirs, _ := a.at("properties", "partnerLinkRole").(string)
	return mine + " " + theirs
}

// Every way to change the roles, and what a link in that state refuses.
func TestFailover(t *testing.T) {
	t.Parallel()
	w := linked(t, nil)
	for i, c := range []struct{ verb, body, want, refused string }{
		{"failover", `{"failoverType":"planned"}`, "Primary Secondary", ""},
		{"failover", `{"failoverType":"ForcedAllowDataLoss"}`, "Primary Secondary", "41965"},
		{"setRole", `{"instanceRole":"Primary","roleChangeType":"Planned"}`, "Primary Secondary", "41965"},
		{"setRole", `{"instanceRole":"secondary","roleChangeType":"Forced"}`, "Secondary Primary", ""},
		{"setRole", `{"instanceRole":"Primary","roleChangeType":"Forced"}`, "Primary Primary", ""},
		{"setRole", `{"instanceRole":"Secondary","roleChangeType":"Forced"}`, "Secondary Primary", ""},
		{"failover", `{"failoverType":"ForcedAllowDataLoss"}`, "Primary Primary", ""},
		{"failover", `{"failoverType":"Sideways"}`, "Primary Primary", "InvalidDistributedAvailabilityGroupFailoverRequest"},
		{"setRole", `{"instanceRole":"Boss","roleChangeType":"Planned"}`, "Primary Primary", "InvalidDistributedAvailabilityGroupFailoverRequest"},
		{"setRole", `{"instanceRole":"Secondary","roleChangeType":""}`, "Primary Primary", "InvalidDistributedAvailabilityGroupFailoverRequest"},
	} {
		a := w.do("POST", linkPath+"/"+c.verb+version, c.body)
		if c.refused != "" {
			if a.status != 400 || a.code() != c.refused {
				t.Errorf("%d %s: %d %s", i, c.body, a.status, a.raw)
			}
		} else if a = w.finish(a); a.body["status"] != "Succeeded" {
			t.Errorf("%d %s: %s", i, c.body, a.raw)
		}
		if got := w.roles(); got != c.want {
			t.Errorf("%d %s: roles %s", i, c.body, got)
		}
	}
	// Making the link again finds it there, whatever its roles are now.
	if a := w.do("PUT", linkPath+"?api-version=2021-05-01-preview", oldBody("db1")); a.status == 409 {
		t.Errorf("create again: %s", a.raw)
	}
}

// While it runs the link says so, the same request is the same operation, and another one has to wait. When it fails, the
// instance's error reaches the caller and the state is the instance's again.
func TestFailoverInProgress(t *testing.T) {
	t.Parallel()
	w := linked(t, nil)
	entered, let := make(chan struct{}), make(chan struct{})
	w.fake.mu.Lock()
	w.fake.change = func(ctx context.Context) error {
		close(entered)
		select {
		case <-let:
		case <-ctx.Done():
		}
		return sqlerr.New(47514, "DAG_db1", "the copy does not keep up")
	}
	w.fake.mu.Unlock()
	first := w.do("POST", linkPath+"/failover"+version, `{"failoverType":"Planned"}`)
	<-entered
	state := func() any {
		dbs, _ := w.do("GET", linkPath+version, "").at("properties", "databases").([]any)
		return dbs[0].(map[string]any)["replicaState"]
	}
	if state() != armtypes.LinkFailoverInProgress {
		t.Errorf("state %v", state())
	}
	if old := w.do("GET", linkPath+"?api-version=2021-05-01-preview", ""); old.at("properties", "linkState") != armtypes.LinkFailoverInProgress {
		t.Errorf("old body: %s", old.raw)
	}
	if again := w.do("POST", linkPath+"/failover"+version, `{"failoverType":"planned"}`); again.header.Get("Azure-AsyncOperation") != first.header.Get("Azure-AsyncOperation") {
		t.Errorf("the same request began another operation: %s", again.raw)
	}
	if other := w.do("POST", linkPath+"/failover"+version, `{"failoverType":"ForcedAllowDataLoss"}`); other.status != 409 {
		t.Errorf("another request: %d %s", other.status, other.raw)
	}
	close(let)
	if a := w.finish(first); a.body["status"] != "Failed" || a.code() != "47514" {
		t.Errorf("outcome: %s", a.raw)
	}
	if state() != armtypes.LinkSynchronizing || w.roles() != "Secondary Primary" {
		t.Errorf("afterwards %v, %s", state(), w.roles())
	}
}

// links hides what else a backend can do.
type links = interface{ arm.Links }

// An instance that cannot change roles says so.
func TestFailoverNotSupported(t *testing.T) {
	t.Parallel()
	w := linked(t, func(o *arm.Options) { o.Instances[0].Links = struct{ links }{o.Instances[0].Links} })
	if a := w.do("POST", linkPath+"/failover"+version, `{"failoverType":"Planned"}`); a.status != 400 || a.code() != "OperationNotSupported" {
		t.Errorf("failover: %d %s", a.status, a.raw)
	}
}
