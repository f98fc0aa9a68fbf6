package trust

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"linkspan/sqlerr"
)

// CreateCertificate is CREATE CERTIFICATE … WITH SUBJECT. The warnings go to the user: 15214 expired, 15215 not yet valid.
// Errors: 15581 no or closed master key, 15232 name taken, 15212, 15213, 15151 bad name.
func (k *Keeper) CreateCertificate(ctx context.Context, s CertificateSpec) ([]*sqlerr.Error, error) {
	k.write.Lock()
	defer k.write.Unlock()
	if err := k.checkName(s.Name); err != nil {
		return nil, err
	}
	if k.opened == nil {
		return nil, sqlerr.New(15581)
	}
	c, err := newCertificate(k.opts.Rand, k.opts.Now(), k.nextID(), s, k.opened, k.opts.KeyBits)
	if err != nil {
		return nil, err
	}
	return k.add(ctx, c)
}

// ImportCertificate is CREATE CERTIFICATE … FROM BINARY without a private key. Warnings as CreateCertificate's. Errors:
// 15297 when der is not exactly one certificate, 15232 when the name is taken or the certificate is there already.
func (k *Keeper) ImportCertificate(ctx context.Context, name string, der []byte) ([]*sqlerr.Error, error) {
	return k.ImportFor(ctx, "", name, der)
}

// ImportFor is ImportCertificate with AUTHORIZATION: the owner is the user through whose login the partner connects, ""
// for dbo. The caller has checked that there is one.
func (k *Keeper) ImportFor(ctx context.Context, owner, name string, der []byte) ([]*sqlerr.Error, error) {
	k.write.Lock()
	defer k.write.Unlock()
	if err := k.checkName(name); err != nil {
		return nil, err
	}
	c := &Certificate{ID: k.nextID(), Name: name, DER: slices.Clone(der), ActiveForBeginDialog: true, Owner: owner}
	if err := c.parse(); err != nil {
		return nil, err
	}
	if k.ByDER(der) != nil || k.Impostor(c.x) != nil {
		return nil, sqlerr.New(15232, name)
	}
	return k.add(ctx, c)
}

func (k *Keeper) checkName(name string) error {
	if n := len([]rune(name)); n < 1 || strings.ContainsRune(name, 0) {
		return sqlerr.New(15151, "create", "certificate", name)
	} else if n > maxName {
		return sqlerr.New(103, "identifier", string([]rune(name)[:maxName]), maxName)
	}
	if k.ByName(name) != nil {
		return sqlerr.New(15232, name)
	}
	return nil
}

func (k *Keeper) nextID() int {
	id := FirstCertificateID
	for _, c := range k.certs {
		id = max(id, c.ID+1)
	}
	return id
}

// add stores a certificate; the caller holds k.write.
func (k *Keeper) add(ctx context.Context, c *Certificate) ([]*sqlerr.Error, error) {
	if err := k.put(ctx, kindCertificate, fold(c.Name), c); err != nil {
		return nil, err
	}
	k.mu.Lock()
	k.certs = append(slices.Clone(k.certs), c)
	k.mu.Unlock()
	k.changed()
	var warnings []*sqlerr.Error
	switch now := k.opts.Now().UTC(); {
	case !now.Before(c.Expiry()):
		warnings = append(warnings, sqlerr.New(15214))
	case now.Before(c.Start()):
		warnings = append(warnings, sqlerr.New(15215))
	}
	return warnings, nil
}

func (k *Keeper) put(ctx context.Context, kind, name string, v any) error {
	doc, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", kind, err)
	}
	if err := k.opts.Store.Put(ctx, kind, name, doc); err != nil {
		return fmt.Errorf("store %s %q: %w", kind, name, err)
	}
	return nil
}

// DropCertificate is DROP CERTIFICATE. Those who watch cut the connections that rest on it. Errors: 15151 absent, and what
// a guard says (15352: an endpoint uses it).
func (k *Keeper) DropCertificate(ctx context.Context, name string) error {
	k.write.Lock()
	defer k.write.Unlock()
	c := k.ByName(name)
	if c == nil {
		return sqlerr.New(15151, "drop", "certificate", name)
	}
	k.mu.RLock()
	guards := slices.Clone(k.guards)
	k.mu.RUnlock()
	for _, g := range guards {
		if err := g(c); err != nil {
			return err
		}
	}
	if err := k.opts.Store.Delete(ctx, kindCertificate, fold(c.Name)); err != nil {
		return fmt.Errorf("delete certificate %q: %w", name, err)
	}
	k.mu.Lock()
	k.certs = slices.DeleteFunc(slices.Clone(k.certs), func(o *Certificate) bool { return o == c })
	k.mu.Unlock()
	k.changed()
	return nil
}

// MasterKey describes the master key, or is nil when there is none.
func (k *Keeper) MasterKey() *MasterKey {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.master
}

// CreateMasterKey is CREATE MASTER KEY ENCRYPTION BY PASSWORD. An empty password leaves it under the service key alone,
// as a managed instance allows; the caller refuses that elsewhere. Errors: 15578 there is one, 15118 weak password.
func (k *Keeper) CreateMasterKey(ctx context.Context, password string) error {
	k.write.Lock()
	defer k.write.Unlock()
	if k.MasterKey() != nil {
		return sqlerr.New(15578)
	}
	if password != "" {
		if err := CheckPassword(password); err != nil {
			return err
		}
	}
	m, opened, err := newMasterKey(k.opts.Rand, k.opts.Now(), password, k.opts.Service)
	if err != nil {
		return err
	}
	return k.setMaster(ctx, m, opened)
}

// setMaster stores a master key; the caller holds k.write.
func (k *Keeper) setMaster(ctx context.Context, m *MasterKey, opened *masterKey) error {
	if err := k.put(ctx, kindMasterKey, "master", m); err != nil {
		return err
	}
	k.mu.Lock()
	k.master, k.opened = m, opened
	k.mu.Unlock()
	k.changed()
	return nil
}

// OpenMasterKey is OPEN MASTER KEY DECRYPTION BY PASSWORD. Errors: 15151 none, 15313 wrong password.
func (k *Keeper) OpenMasterKey(password string) error {
	m := k.MasterKey()
	if m == nil {
		return sqlerr.New(15151, "find", "symmetric key", "master key")
	}
	opened, _, err := m.openByPassword(password)
	if err != nil {
		return err
	}
	k.mu.Lock()
	k.opened = opened
	k.mu.Unlock()
	k.changed()
	return nil
}

// DropMasterKey is DROP MASTER KEY. Errors: 15151 none, 15580 a certificate's key is encrypted by it.
func (k *Keeper) DropMasterKey(ctx context.Context) error {
	k.write.Lock()
	defer k.write.Unlock()
	if k.MasterKey() == nil {
		return sqlerr.New(15151, "drop", "symmetric key", "master key")
	}
	for _, c := range k.Certificates() {
		if c.Encryption() == EncryptedByMasterKey {
			return sqlerr.New(15580, "certificate", c.Name)
		}
	}
	if err := k.opts.Store.Delete(ctx, kindMasterKey, "master"); err != nil {
		return fmt.Errorf("delete master key: %w", err)
	}
	k.mu.Lock()
	k.master, k.opened = nil, nil
	k.mu.Unlock()
	k.changed()
	return nil
}

// Protector is what encrypts the master key: a password, or the service master key.
type Protector struct {
	// Service is ENCRYPTION BY SERVICE MASTER KEY; otherwise Password counts.
	Service  bool
	Password string
}

// AddProtector is ALTER MASTER KEY ADD ENCRYPTION BY. Errors: 15151 none, 15581 closed, 15118 weak password.
func (k *Keeper) AddProtector(ctx context.Context, p Protector) error {
	k.write.Lock()
	defer k.write.Unlock()
	m, opened, err := k.forChange()
	if err != nil {
		return err
	}
	if opened == nil {
		return sqlerr.New(15581)
	}
	if p.Service {
		m.ByService, err = seal(k.opts.Rand, k.opts.Service[:], opened[:], aadService)
	} else if err = CheckPassword(p.Password); err == nil {
		err = m.addPassword(k.opts.Rand, opened, p.Password)
	}
	if err != nil {
		return err
	}
	return k.setMaster(ctx, m, opened)
}

// DropProtector is ALTER MASTER KEY DROP ENCRYPTION BY. Errors: 15151 none, 15313 no such protector, 15558 the last one.
func (k *Keeper) DropProtector(ctx context.Context, p Protector) error {
	k.write.Lock()
	defer k.write.Unlock()
	m, opened, err := k.forChange()
	if err != nil {
		return err
	}
	switch {
	case p.Service && m.ByService == nil:
		return sqlerr.New(15313)
	case p.Service:
		m.ByService, opened = nil, nil
	default:
		_, i, err := m.openByPassword(p.Password)
		if err != nil {
			return err
		}
		m.ByPassword = slices.Delete(m.ByPassword, i, i+1)
	}
	if m.ByService == nil && len(m.ByPassword) == 0 {
		return sqlerr.New(15558)
	}
	return k.setMaster(ctx, m, opened)
}

// forChange copies the master key for a change; the caller holds k.write.
func (k *Keeper) forChange() (*MasterKey, *masterKey, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.master == nil {
		return nil, nil, sqlerr.New(15151, "alter", "symmetric key", "master key")
	}
	m := *k.master
	m.ByPassword = slices.Clone(m.ByPassword)
	m.Modified = k.opts.Now().UTC()
	return &m, k.opened, nil
}
