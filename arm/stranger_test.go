package arm_test

import (
	"io"
	"net/http"
	"testing"
	"time"
)

// Strangers whose requests never end take no room from those who have a token.
func TestStrangersDoNotShutOthersOut(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	known := map[string]string{"Authorization": "Bearer " + w.token()}
	const n = 300
	for range n {
		body, rest := io.Pipe()
		t.Cleanup(func() { _ = rest.Close() })
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.base+"/"+tenant+"/oauth2/v2.0/token", body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		go func() {
			if resp, err := w.http.Do(r); err == nil {
				_ = resp.Body.Close()
			}
		}()
		_, _ = rest.Write([]byte("grant_type=")) // the server has the request now
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 20 {
		if a := w.send("GET", instancePath+"?api-version=2021-11-01", "", known); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.raw)
		}
		<-tick.C
	}
}
