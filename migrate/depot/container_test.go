package depot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"linkspan/internal/clock"
	"linkspan/media"
	"linkspan/media/azblob"
	"linkspan/media/mediatest"
	"linkspan/migrate/depot"
	"linkspan/migrate/flow"
)

var bringing = sas.ContainerPermissions{Read: true, List: true, Create: true, Write: true}

// transport makes the requests, and may change them.
type transport struct {
	before func(*http.Request)
	staged atomic.Int64 // blocks sent
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPut && r.URL.Query().Get("comp") == "block" {
		t.staged.Add(1)
		if t.before != nil {
			t.before(r)
		}
	}
	return http.DefaultTransport.RoundTrip(r)
}

func onBlob(tb testing.TB, b azblob.Options) *depot.Depot {
	tb.Helper()
	d, err := depot.New(depot.Options{Blob: b, Prefix: "move sales"})
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// blobOf is what can be read; nil when nothing can.
func blobOf(tb testing.TB, a *mediatest.Azurite, d *depot.Depot, address string) []byte {
	tb.Helper()
	src, err := azblob.New(azblob.Options{Container: address, Account: a.Account, Key: a.Key, Folder: strings.TrimPrefix(d.Location("db"), address+"/")})
	if err != nil {
		tb.Fatal(err)
	}
	n := 0
	if err := src.List(tb.Context(), "", func(media.Entry) error { n++; return nil }); err != nil {
		return nil
	}
	f, err := src.Open(tb.Context(), stored)
	if err != nil || n != 1 {
		tb.Fatalf("%d blobs, %v", n, err)
	}
	p := make([]byte, f.Size())
	if _, err := f.ReadAt(p, 0); err != nil {
		tb.Fatal(err)
	}
	return p
}

// Blocks come in any order and over a restart, are brought once, and cannot be read before Seal.
func TestContainer(t *testing.T) {
	t.Parallel()
	a := mediatest.StartAzurite(t)
	_, address, token := a.Container(t, "storage", bringing)
	for name, b := range map[string]azblob.Options{"sas": {SAS: "?" + token}, "key": {Account: a.Account, Key: a.Key}} {
		t.Run(name, func(t *testing.T) {
			tr := &transport{}
			b.Container, b.Client = address+"/", &http.Client{Transport: tr}
			p := content(500_000)
			first := onBlob(t, b)
			if err := first.Probe(t.Context()); err != nil {
				t.Fatal(err)
			}
			if blobOf(t, a, first, address) != nil {
				t.Error("the probe left a blob")
			}
			bring(t, first, p[:300_000], 100_000)
			sent := tr.staged.Load()
			d := onBlob(t, b) // a restart
			bring(t, d, p[:400_000], 100_000)
			if n := tr.staged.Load() - sent; n != 1 {
				t.Errorf("%d blocks were sent after the restart, want 1", n)
			}
			err := d.Seal(t.Context(), "db", stored, 500_000)
			if lacks := new(depot.Incomplete); !errors.As(err, &lacks) || lacks.Offset != 400_000 || lacks.Until != 500_000 {
				t.Errorf("with a gap: %v", err)
			}
			if blobOf(t, a, d, address) != nil {
				t.Error("it can be read before Seal")
			}
			finish(t, d, p)
			if got := blobOf(t, a, d, address); !equal(got, p) {
				t.Errorf("%d bytes, not those that were put", len(got))
			}
			sent = tr.staged.Load()
			late := onBlob(t, b)
			bring(t, late, p, 100_000)
			finish(t, late, p)
			if n := tr.staged.Load() - sent; n != 0 {
				t.Errorf("%d blocks were sent of a sealed file", n)
			}
			remove(t, a, address, strings.TrimPrefix(d.Location("db"), address+"/")+"/"+stored)
		})
	}
}

func remove(tb testing.TB, a *mediatest.Azurite, address, name string) {
	tb.Helper()
	cred, err := container.NewSharedKeyCredential(a.Account, a.Key)
	if err != nil {
		tb.Fatal(err)
	}
	c, err := container.NewClientWithSharedKeyCredential(address, cred, nil)
	if err == nil {
		_, err = c.NewBlobClient(name).Delete(tb.Context(), nil)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// A blob of the name that somebody else brought is neither overwritten nor deleted.
func TestContainerTaken(t *testing.T) {
	t.Parallel()
	a := mediatest.StartAzurite(t)
	c, address, token := a.Container(t, "storage", bringing)
	d := onBlob(t, azblob.Options{Container: address, SAS: token})
	theirs := []byte("theirs")
	if _, err := c.NewBlockBlobClient(strings.TrimPrefix(d.Location("db"), address+"/")+"/"+stored).UploadBuffer(t.Context(), theirs, nil); err != nil {
		t.Fatal(err)
	}
	p := content(1000)
	bring(t, d, p, 1000)
	err := d.Seal(t.Context(), "db", stored, 1000)
	if h := new(flow.Halt); !errors.As(err, &h) || !strings.Contains(h.What, "was not brought by this migration") {
		t.Errorf("sealed over another's blob: %v", err)
	}
	if got := blobOf(t, a, d, address); !equal(got, theirs) {
		t.Errorf("theirs is %q now", got)
	}
}

// A block that is changed on the way is refused by the service and brought again.
func TestContainerCorrupted(t *testing.T) {
	t.Parallel()
	a := mediatest.StartAzurite(t)
	_, address, token := a.Container(t, "storage", bringing)
	flips := 0
	tr := &transport{before: func(r *http.Request) {
		if flips == 0 {
			return
		}
		flips--
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		b[len(b)/2] ^= 1
		r.Body = io.NopCloser(bytes.NewReader(b))
	}}
	d := onBlob(t, azblob.Options{Container: address, SAS: token, Client: &http.Client{Transport: tr}})
	p := content(300_000)
	flips = 1
	if err := d.Put(t.Context(), "db", stored, 0, p[:200_000]); err != nil || flips != 0 || tr.staged.Load() != 2 {
		t.Errorf("one flip: %v, %d blocks sent", err, tr.staged.Load())
	}
	flips = 1000
	if text := hindered(t, d.Put(t.Context(), "db", stored, 200_000, p[200_000:])); !strings.Contains(text, "changed on the way") {
		t.Errorf("always flipped: %s", text)
	}
	flips = 0
	finish(t, d, p)
	if got := blobOf(t, a, d, address); !equal(got, p) {
		t.Error("not what was put")
	}
}

// sign makes a signature that is valid from and until so long from now.
func sign(tb testing.TB, c *container.Client, p sas.ContainerPermissions, from, until time.Duration) string {
	tb.Helper()
	now := time.Now()
	u, err := c.GetSASURL(p, now.Add(until), &container.GetSASURLOptions{StartTime: new(now.Add(from))})
	if err != nil {
		tb.Fatal(err)
	}
	_, s, _ := strings.Cut(u, "?")
	return s
}

// Each thing that is wrong with the storage has its own words and next step, before anything is copied and while it is.
func TestContainerRefusals(t *testing.T) {
	t.Parallel()
	a := mediatest.StartAzurite(t)
	c, address, token := a.Container(t, "storage", bringing)
	_, backups, own := a.Container(t, "backups", bringing)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	day := 24 * time.Hour
	good := azblob.Options{Container: address, SAS: token}
	for name, x := range map[string]struct {
		o         azblob.Options
		says, fix string
		static    bool // found without asking; while copying the service's own answer counts
	}{
		"expired":       {azblob.Options{Container: address, SAS: sign(t, c, bringing, -2*day, -day)}, "expired at", "sp=rcwl", false},
		"not yet valid": {azblob.Options{Container: address, SAS: sign(t, c, bringing, day, 2*day)}, "is valid from", "sp=rcwl", false},
		"read only":     {azblob.Options{Container: address, SAS: sign(t, c, sas.ContainerPermissions{Read: true, List: true}, -day, day)}, "lacks Create or Write", "sp=rcwl", false},
		"no list":       {azblob.Options{Container: address, SAS: sign(t, c, sas.ContainerPermissions{Read: true, Write: true}, -day, day)}, "lacks List", "sp=rcwl", true},
		"changed":       {azblob.Options{Container: address, SAS: strings.Replace(token, "sig=", "sig=AAAA", 1)}, "is not valid", "sp=rcwl", false},
		"no signature":  {azblob.Options{Container: address, SAS: "sp=rl"}, "is none", "sp=rcwl", false},
		"wrong key":     {azblob.Options{Container: address, Account: a.Account, Key: "AAAA"}, "is not one of the storage account", "Access keys", false},
		"no container":  {azblob.Options{Container: strings.Replace(address, "/storage", "/nowhere", 1), Account: a.Account, Key: a.Key}, "there is no container", "az storage container create --account-name linkspan --name nowhere", false},
		"unreachable":   {azblob.Options{Container: "http://" + closed.Addr().String() + "/account/storage", SAS: token}, "is not reached", "network", false},
		"unknown name":  {azblob.Options{Container: "https://account.storage.invalid/storage", SAS: token}, "nobody has the name", "account's name", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := onBlob(t, x.o)
			asked := map[string]error{"probe": d.Probe(t.Context())}
			if !x.static {
				asked["put"] = d.Put(t.Context(), "db", stored, 0, []byte("x"))
			}
			for when, err := range asked {
				text := hindered(t, err)
				if !strings.Contains(text, x.says) || !strings.Contains(text, x.fix) {
					t.Errorf("%s: %s", when, text)
				}
				if strings.Contains(text, "sig=") || strings.Contains(text, "AAAA") {
					t.Errorf("%s: it tells the credential: %s", when, text)
				}
			}
		})
	}
	d := onBlob(t, azblob.Options{Container: backups, SAS: own})
	if err := d.Probe(t.Context()); !errors.As(err, new(*flow.Halt)) || !strings.Contains(err.Error(), "Log Replay Service refuses") {
		t.Errorf("a container called backups: %v", err)
	}
	if _, err := depot.New(depot.Options{Blob: azblob.Options{Container: address + "?" + token}}); err == nil || strings.Contains(err.Error(), "sig=") {
		t.Errorf("a signature in the address: %v", err)
	}
	if err := onBlob(t, good).Put(t.Context(), "db", stored, 1<<40, []byte("the end of a long file")); err != nil {
		t.Errorf("a short block far behind: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := onBlob(t, good).Put(ctx, "db", stored, 0, []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
}

// Answers of the real service that an emulator never gives.
func TestContainerAnswers(t *testing.T) {
	t.Parallel()
	for code, x := range map[string]struct {
		status int
		says   string
	}{
		"AuthorizationFailure":               {403, "firewall"},
		"AuthorizationPermissionMismatch":    {403, "Storage Blob Data Contributor"},
		"KeyBasedAuthenticationNotPermitted": {403, "takes no keys"},
		"AuthorizationSourceIPMismatch":      {403, "other addresses"},
		"AccountIsDisabled":                  {403, "disabled"},
		"ContainerBeingDeleted":              {409, "being deleted"},
		"ServerBusy":                         {503, "busy"},
		"AuthenticationFailed":               {403, "does not accept the application's token"},
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("x-ms-error-code", code)
				w.WriteHeader(x.status)
				fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>No.
RequestId:1</Message><AuthenticationErrorDetail>Issuer unknown</AuthenticationErrorDetail></Error>`, code)
			}))
			defer s.Close()
			d := onBlob(t, azblob.Options{Container: s.URL + "/account/storage", Token: mediatest.Token("t"), Client: s.Client()})
			if text := hindered(t, d.Probe(t.Context())); !strings.Contains(text, x.says) {
				t.Errorf("%s", text)
			}
		})
	}
}

// The clock decides whether a signature is still valid.
func TestSignatureExpires(t *testing.T) {
	t.Parallel()
	now := clock.NewManual(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	d, err := depot.New(depot.Options{Blob: azblob.Options{Container: "https://account.storage.invalid/storage", SAS: "sp=rcwl&sr=c&se=2026-05-01&sig=x"}, Clock: now})
	if err != nil {
		t.Fatal(err)
	}
	if text := hindered(t, d.Probe(t.Context())); !strings.Contains(text, "expired at 2026-05-01 00:00:00 (UTC)") {
		t.Error(text)
	}
}
