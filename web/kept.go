package web

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net/http"
	"sync"
	"time"

	"linkspan/internal/clock"
)

// The bounds of answers that are kept for requests that come again.
const (
	keepFor   = 24 * time.Hour
	keepMost  = 1000
	keepBytes = 256 << 10 // a longer answer is not kept
	keyLength = 255
)

// keyHeader is the header by which a client says that a request is the same one again.
const keyHeader = "Idempotency-Key"

// kept remembers the answers to POSTs that had a key, in memory: a client that did not get an answer sends the request
// again, and what was asked is asked once. After a restart nothing is remembered; the flow's own refusals then keep
// anything from being done twice.
type kept struct {
	clk clock.Clock

	mu  sync.Mutex // protects what follows
	all map[keptKey]*answer
	old []keptKey // oldest first
}

// keptKey is one client's key.
type keptKey struct{ token, key string }

// answer is what was answered; done is false while it is being served.
type answer struct {
	at     time.Time
	sum    [sha256.Size]byte // of method, path and body
	done   bool
	status int
	header http.Header
	body   []byte
}

func newKept(clk clock.Clock) *kept { return &kept{clk: clk, all: map[keptKey]*answer{}} }

// serve serves a POST, or answers as it was answered before.
func (k *kept) serve(c *call, rt *route) error {
	key := c.r.Header.Get(keyHeader)
	if key == "" {
		return rt.serve(c)
	}
	if len(key) > keyLength {
		return problem(http.StatusBadRequest, "bad-request", "use a UUID", "the header %s is longer than %d characters", keyHeader, keyLength)
	}
	data, err := c.body()
	if err != nil {
		return err
	}
	c.r.Body = io.NopCloser(bytes.NewReader(data))
	sum := sha256.Sum256(append([]byte(c.r.Method+" "+c.r.URL.EscapedPath()+"\n"), data...))
	id := keptKey{c.token.Name, key}
	before, err := k.enter(id, sum)
	if err != nil {
		return err
	}
	if before != nil {
		before.write(c.w)
		return nil
	}
	tape := &tape{ResponseWriter: c.w, status: http.StatusOK}
	c.w = tape
	defer func() { k.leave(id, tape) }()
	if err := rt.serve(c); err != nil {
		c.fail(err)
	}
	return nil
}

// enter begins a request; the answer is not nil when it was given before.
func (k *kept) enter(id keptKey, sum [sha256.Size]byte) (*answer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.clk.Now()
	for len(k.old) > 0 && (len(k.old) >= keepMost || now.Sub(k.all[k.old[0]].at) > keepFor) {
		delete(k.all, k.old[0])
		k.old = k.old[1:]
	}
	a := k.all[id]
	switch {
	case a == nil:
		k.all[id] = &answer{at: now, sum: sum}
		k.old = append(k.old, id)
		return nil, nil
	case a.sum != sum:
		return nil, problem(http.StatusUnprocessableEntity, "key-used", "use a new key for another request", "this %s was sent with another request", keyHeader)
	case !a.done:
		return nil, problem(http.StatusConflict, "in-progress", "send it again in a second", "the request with this %s is being served", keyHeader)
	}
	return a, nil
}

// leave keeps an answer. None, or one that tells of a fault of ours, is forgotten, so that the request can be sent again.
func (k *kept) leave(id keptKey, t *tape) {
	k.mu.Lock()
	defer k.mu.Unlock()
	a := k.all[id]
	if a == nil {
		return // it was pushed out meanwhile
	}
	if t.kept == nil || t.status >= http.StatusInternalServerError || t.body.Len() > keepBytes {
		delete(k.all, id)
		for i := range k.old {
			if k.old[i] == id {
				k.old = append(k.old[:i:i], k.old[i+1:]...)
				break
			}
		}
		return
	}
	a.done, a.status, a.header, a.body = true, t.status, t.kept, t.body.Bytes()
}

// write answers as before.
func (a *answer) write(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.Header().Set("Idempotency-Replayed", "true")
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a client that went away needs no answer
}

// tape keeps what is answered.
type tape struct {
	http.ResponseWriter
	status int
	kept   http.Header
	body   bytes.Buffer
}

// WriteHeader keeps the status and the headers that belong to the answer.
func (t *tape) WriteHeader(status int) {
	t.status, t.kept = status, http.Header{}
	for _, name := range []string{"Content-Type", "Content-Length", "Location"} {
		if v := t.Header().Get(name); v != "" {
			t.kept.Set(name, v)
		}
	}
	t.ResponseWriter.WriteHeader(status)
}

// Write keeps the body.
func (t *tape) Write(p []byte) (int, error) {
	if t.body.Len() <= keepBytes {
		t.body.Write(p)
	}
	return t.ResponseWriter.Write(p)
}
