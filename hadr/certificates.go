package hadr

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"linkspan/rel"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/trust"
)

// Times of the watch over certificates.
const (
	// expiryWarning is how long before its end a certificate is warned of.
	expiryWarning = 30 * 24 * time.Hour
	// expiryRepeat is the time between two warnings of one certificate.
	expiryRepeat = 24 * time.Hour
	// expiryLook is the time between two looks at the clock, which may have been set.
	expiryLook = 10 * time.Minute
)

// CertificateUse is what an instance has a certificate for.
type CertificateUse string

// The uses.
const (
	// CertificateEndpoint: the mirroring endpoint shows it.
	CertificateEndpoint CertificateUse = "ENDPOINT"
	// CertificatePartner: it was imported, and a partner may show it.
	CertificatePartner CertificateUse = "PARTNER"
	// CertificateSpare: it has a private key, and the endpoint does not show it (before or after a rotation).
	CertificateSpare CertificateUse = "SPARE"
)

// CertificateState is how a certificate stands to the clock.
type CertificateState string

// The states.
const (
	CertificateValid       CertificateState = "VALID"
	CertificateExpiring    CertificateState = "EXPIRING"
	CertificateExpired     CertificateState = "EXPIRED"
	CertificateNotYetValid CertificateState = "NOT_YET_VALID"
)

// CertificateInfo is one certificate as links see it.
type CertificateInfo struct {
	ID   int
	Name string
	// Thumbprint is the SHA-1 of the DER form in hexadecimal.
	Thumbprint string
	Use        CertificateUse
	State      CertificateState
	Start, End time.Time
	// DaysLeft is the whole days until End, negative after it.
	DaysLeft int
	// Links are those that the certificate authorises (a partner's), or that show it (the endpoint's), by name.
	Links []string
	// Connections is how many live connections rest on it.
	Connections int
}

// Certificates describes the certificates of master by id.
func (m *Manager) Certificates() []CertificateInfo {
	now := m.now()
	e, _ := m.Endpoint()
	var out []CertificateInfo
	for _, c := range m.opts.Keeper.Certificates() {
		i := CertificateInfo{ID: c.ID, Name: c.Name, Thumbprint: thumbprint(c.DER), Use: CertificateSpare, State: certificateState(c, now),
			Start: c.Start(), End: c.Expiry(), DaysLeft: daysUntil(now, c.Expiry()), Connections: m.ep.Resting(c.DER)}
		switch {
		case c.Encryption() == trust.NoPrivateKey:
			i.Use = CertificatePartner
		case e.Auth.hasCertificate() && fold(e.Certificate) == fold(c.Name):
			i.Use = CertificateEndpoint
		}
		i.Links = m.linksOf(c, i.Use)
		out = append(out, i)
	}
	return out
}

func certificateState(c *trust.Certificate, now time.Time) CertificateState {
	switch {
	case now.Before(c.Start()):
		return CertificateNotYetValid
	case !now.Before(c.Expiry()):
		return CertificateExpired
	case !now.Before(c.Expiry().Add(-expiryWarning)):
		return CertificateExpiring
	default:
		return CertificateValid
	}
}

// daysUntil is whole days, rounded down.
func daysUntil(now, end time.Time) int {
	d := end.Sub(now)
	days := int(d / (24 * time.Hour))
	if d < 0 && d%(24*time.Hour) != 0 {
		days--
	}
	return days
}

// linksOf names the links that a certificate is for.
func (m *Manager) linksOf(c *trust.Certificate, use CertificateUse) []string {
	var out []string
	for _, g := range m.groups() {
		if !g.Distributed || use == CertificateSpare {
			continue
		}
		named := g.Member(false) != nil && strings.EqualFold(g.RemoteURL().Host, c.Name)
		bound := g.Link != nil && slices.Contains(g.Link.Bound, thumbprint(c.DER))
		if use == CertificateEndpoint || named || bound {
			out = append(out, g.Name)
		}
	}
	slices.SortFunc(out, compareFold)
	return out
}

func compareFold(a, b string) int { return cmp.Compare(fold(a), fold(b)) }

// watchCertificates warns of certificates that links need and that end within expiryWarning, have ended or have not begun:
// at the start, after each change of the certificates, and then once a day. It also has the endpoint look at the clock.
func (m *Manager) watchCertificates(ctx context.Context) {
	warned := make(map[string]time.Time) // by thumbprint and state
	for {
		m.warnCertificates(warned)
		m.ep.Recheck()
		again, stop := m.opts.Clock.After(expiryLook)
		select {
		case <-ctx.Done():
			stop()
			return
		case <-m.changed:
		case <-again:
		}
		stop()
	}
}

func (m *Manager) warnCertificates(warned map[string]time.Time) {
	now := m.now()
	for _, c := range m.Certificates() {
		if c.Use == CertificateSpare || c.State == CertificateValid {
			continue
		}
		key := c.Thumbprint + string(c.State)
		if last, ok := warned[key]; ok && now.Sub(last).Abs() < expiryRepeat {
			continue
		}
		warned[key] = now
		m.errorLog(certificateWarning(c, now))
		if e := officialWarning(c); e != nil {
			m.errorLog(e)
		}
	}
}

// certificateWarning names the certificate and what is the matter with its dates.
func certificateWarning(c CertificateInfo, now time.Time) *sqlerr.Error {
	const layout = "2006-01-02 15:04:05"
	whose := map[CertificateUse]string{CertificateEndpoint: "of this server's endpoint", CertificatePartner: "of a partner"}[c.Use]
	switch c.State {
	case CertificateExpired:
		return sqlerr.New(58002, c.Name, whose, c.Thumbprint, c.End.Format(layout))
	case CertificateNotYetValid:
		return sqlerr.New(58003, c.Name, whose, c.Thumbprint, c.Start.Format(layout), now.Format(layout))
	default:
		return sqlerr.New(58001, c.Name, whose, c.Thumbprint, c.End.Format(layout), c.DaysLeft)
	}
}

// officialWarning is SQL Server's own message for the state, which names no certificate; nil when it has none.
func officialWarning(c CertificateInfo) *sqlerr.Error {
	const dbo = 1 // the principal that owns certificates in master
	switch {
	case c.State == CertificateExpired && c.Use == CertificateEndpoint:
		return sqlerr.New(28023)
	case c.State == CertificateExpired:
		return sqlerr.New(28025, dbo)
	case c.State == CertificateNotYetValid && c.Use == CertificateEndpoint:
		return sqlerr.New(28022)
	case c.State == CertificateNotYetValid:
		return sqlerr.New(28024, dbo)
	default:
		return nil
	}
}

// noticed is told of changes of the certificates.
func (m *Manager) noticed() {
	m.ep.Recheck()
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// viewLinkCertificates is sys.dm_linkspan_certificates.
func (m *Manager) viewLinkCertificates() rel.View {
	type c = CertificateInfo
	return view("dm_linkspan_certificates", func(context.Context) ([]c, error) { return m.Certificates(), nil },
		number("certificate_id", sqltype.Int, func(c *c) int64 { return int64(c.ID) }),
		text("name", 128, func(c *c) string { return c.Name }),
		text("thumbprint", 40, func(c *c) string { return c.Thumbprint }),
		text("usage_desc", 60, func(c *c) string { return string(c.Use) }),
		text("state_desc", 60, func(c *c) string { return string(c.State) }),
		when("start_date", func(c *c) time.Time { return c.Start }),
		when("expiry_date", func(c *c) time.Time { return c.End }),
		number("days_left", sqltype.Int, func(c *c) int64 { return int64(c.DaysLeft) }),
		textOr("links", 4000, func(c *c) string { return strings.Join(c.Links, ", ") }),
		number("live_connections", sqltype.Int, func(c *c) int64 { return int64(c.Connections) }),
	)
}
