package trust

import (
	"cmp"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"linkspan/sqlerr"
)

// Store keeps named JSON documents, by kind, in the master database. Each call is a transaction of its own: when Put or
// Delete return nil the change is durable, when they err nothing changed. Names are compared byte by byte.
type Store interface {
	// Load returns every document of a kind by name; an unknown kind is empty.
	Load(ctx context.Context, kind string) (map[string][]byte, error)
	// Put adds or replaces a document.
	Put(ctx context.Context, kind, name string, doc []byte) error
	// Delete removes a document; one that is not there is no error.
	Delete(ctx context.Context, kind, name string) error
}

// The kinds of documents kept here.
const (
	kindMasterKey   = "master_key"
	kindCertificate = "certificate"
)

// Options configures a Keeper.
type Options struct {
	// Store keeps the documents.
	Store Store
	// Service is the instance's service master key.
	Service ServiceKey
	// Now gives the time; only its UTC form is used.
	Now func() time.Time
	// Rand gives secure randomness.
	Rand io.Reader
	// KeyBits is the RSA length of new certificates; 0 means 2,048.
	KeyBits int
}

// Validate reports every problem.
func (o *Options) Validate() error {
	var errs []error
	if o.Store == nil {
		errs = append(errs, errors.New("trust: no store"))
	}
	if o.Now == nil || o.Rand == nil {
		errs = append(errs, errors.New("trust: no clock or no randomness"))
	}
	if o.KeyBits != 0 && (o.KeyBits < 2048 || o.KeyBits > 4096) {
		errs = append(errs, fmt.Errorf("trust: key length %d is not 2048 to 4096", o.KeyBits))
	}
	return errors.Join(errs...)
}

// Keeper holds the master key and the certificates of one instance. Safe for concurrent use.
type Keeper struct {
	opts Options

	write sync.Mutex // one change at a time, also across the store
	mu    sync.RWMutex
	// master and certs are replaced, never changed, under both locks.
	master *MasterKey
	opened *masterKey // nil when the service key does not open it and nobody gave the password
	certs  []*Certificate
	watch  []func()
	guards []func(*Certificate) error
	// connect is Authorize's.
	connect func(owner string) (login string, ok bool)
}

// OpenKeeper reads what the store holds. A master key that the service key does not open is kept and stays closed.
func OpenKeeper(ctx context.Context, o Options) (*Keeper, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.KeyBits == 0 {
		o.KeyBits = 2048
	}
	k := &Keeper{opts: o}
	docs, err := o.Store.Load(ctx, kindMasterKey)
	if err != nil {
		return nil, fmt.Errorf("load master key: %w", err)
	}
	for _, doc := range docs {
		k.master = new(MasterKey)
		if err := json.Unmarshal(doc, k.master); err != nil {
			return nil, fmt.Errorf("read stored master key: %w", err)
		}
		k.opened, _ = k.master.openByService(o.Service)
	}
	if docs, err = o.Store.Load(ctx, kindCertificate); err != nil {
		return nil, fmt.Errorf("load certificates: %w", err)
	}
	for name, doc := range docs {
		c := new(Certificate)
		if err := json.Unmarshal(doc, c); err != nil {
			return nil, fmt.Errorf("read stored certificate %q: %w", name, err)
		}
		if err := c.parse(); err != nil {
			return nil, fmt.Errorf("read stored certificate %q: %w", name, err)
		}
		k.certs = append(k.certs, c)
	}
	slices.SortFunc(k.certs, func(a, b *Certificate) int { return cmp.Compare(a.ID, b.ID) })
	return k, nil
}

// Watch has f called after each change of certificates or keys, without locks held. It is for wiring at start.
func (k *Keeper) Watch(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.watch = append(k.watch, f)
}

// Guard has f asked before a certificate is dropped; its error keeps the certificate. It is for wiring at start.
func (k *Keeper) Guard(f func(*Certificate) error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.guards = append(k.guards, f)
}

// Authorize has f asked through which login the owner of an imported certificate connects ("" is dbo), and whether that may.
// It is for wiring at start; without it everybody may.
func (k *Keeper) Authorize(f func(owner string) (login string, ok bool)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.connect = f
}

// MayConnect is the answer of what Authorize was given.
func (k *Keeper) MayConnect(owner string) (login string, ok bool) {
	k.mu.RLock()
	f := k.connect
	k.mu.RUnlock()
	if f == nil {
		return owner, true
	}
	return f(owner)
}

func (k *Keeper) changed() {
	k.mu.RLock()
	watch := slices.Clone(k.watch)
	k.mu.RUnlock()
	for _, f := range watch {
		f()
	}
}

// fold is the key under which names are unique.
func fold(name string) string { return strings.ToLower(name) }

// Certificates lists the certificates by id.
func (k *Keeper) Certificates() []*Certificate {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return slices.Clone(k.certs)
}

func (k *Keeper) find(f func(*Certificate) bool) *Certificate {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if i := slices.IndexFunc(k.certs, f); i >= 0 {
		return k.certs[i]
	}
	return nil
}

// ByName returns the certificate of that name, or nil. Names compare without case.
func (k *Keeper) ByName(name string) *Certificate {
	return k.find(func(c *Certificate) bool { return fold(c.Name) == fold(name) })
}

// ByID returns the certificate of that id (CERTENCODED, CERTPROPERTY), or nil.
func (k *Keeper) ByID(id int) *Certificate {
	return k.find(func(c *Certificate) bool { return c.ID == id })
}

// ByDER returns the certificate whose DER form is exactly der, or nil. It is how a peer's certificate is recognised.
func (k *Keeper) ByDER(der []byte) *Certificate {
	return k.find(func(c *Certificate) bool { return c.Same(der) })
}

// Impostor returns the certificate that has x's issuer and serial number but is another one, or nil: reason for 28045.
func (k *Keeper) Impostor(x *x509.Certificate) *Certificate {
	return k.find(func(c *Certificate) bool { return c.sameIssuerSerial(x) && !c.Same(x.Raw) })
}

// PrivateKey decrypts a certificate's private key. Errors: 15581 closed master key, 28055 no private key, 28037, 28038.
func (k *Keeper) PrivateKey(c *Certificate) (crypto.Signer, error) {
	k.mu.RLock()
	opened := k.opened
	k.mu.RUnlock()
	if opened == nil {
		return nil, sqlerr.New(15581)
	}
	return c.privateKey(opened)
}

// CheckEndpoint holds a certificate to what an endpoint needs: a private key that the master key opens, and valid dates.
// The error is 28055.
func (k *Keeper) CheckEndpoint(c *Certificate) error {
	now := k.opts.Now().UTC()
	if now.Before(c.Start()) || !now.Before(c.Expiry()) {
		return sqlerr.New(28055, c.Name).WithCause(fmt.Errorf("it is valid from %s to %s", c.Start().Format(time.RFC3339), c.Expiry().Format(time.RFC3339)))
	}
	if _, err := k.PrivateKey(c); err != nil {
		return sqlerr.New(28055, c.Name).WithCause(err)
	}
	return nil
}
