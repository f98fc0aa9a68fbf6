package arm

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// algorithm is the only one that tokens are signed with and verified by.
const algorithm = "ES256"

// accessScope is the scope that every token carries and every call needs.
const accessScope = "resource.manage"

// claims are those of an access token; the names are Microsoft Entra's.
type claims struct {
	jwt.RegisteredClaims
	Tenant string `json:"tid"`
	AppID  string `json:"appid"`
	Object string `json:"oid"`
	Scope  string `json:"scp"`
	Type   string `json:"idtyp"`
	Ver    string `json:"ver"`
}

// authority issues and verifies access tokens.
type authority struct {
	o    *Options
	base func() string
	// secrets are the SHA-256 of the clients' secrets by lower-case id; equal lengths make the comparison constant.
	secrets map[string][sha256.Size]byte
	refused refusals
}

func newAuthority(o *Options, base func() string) *authority {
	a := &authority{o: o, base: base, secrets: make(map[string][sha256.Size]byte)}
	for _, c := range o.Clients {
		a.secrets[strings.ToLower(c.ID)] = sha256.Sum256([]byte(c.Secret))
	}
	return a
}

func (a *authority) issuer() string { return a.base() + "/" + a.o.Tenant + "/v2.0" }

// admits checks a client's secret in a time that does not depend on where it is wrong or whether the client exists.
func (a *authority) admits(id, secret string) bool {
	want, known := a.secrets[strings.ToLower(id)]
	got := sha256.Sum256([]byte(secret))
	same := subtle.ConstantTimeCompare(got[:], want[:]) == 1
	return same && known
}

// audience returns the accepted audience that resource names, or "".
func (a *authority) audience(resource string) string {
	r := strings.TrimRight(resource, "/")
	for _, ok := range append([]string{a.base()}, a.o.Audiences...) {
		if strings.EqualFold(r, strings.TrimRight(ok, "/")) {
			return strings.TrimRight(ok, "/")
		}
	}
	return ""
}

// issue makes a token for the client.
func (a *authority) issue(clientID, audience string) (string, error) {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return "", err
	}
	now := a.o.Clock.Now()
	t := jwt.NewWithClaims(jwt.SigningMethodES256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: a.issuer(), Subject: strings.ToLower(clientID), Audience: jwt.ClaimStrings{audience}, ID: hex.EncodeToString(id),
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(a.o.TokenLifetime)),
		},
		Tenant: a.o.Tenant, AppID: strings.ToLower(clientID), Object: strings.ToLower(clientID), Scope: accessScope, Type: "app", Ver: "2.0",
	})
	t.Header["kid"] = a.o.Identity.tokenID
	return t.SignedString(a.o.Identity.tokenKey)
}

// leeway forgives clocks; here issuer and verifier share one, so it only covers rounding.
const leeway = 2 * time.Second

// verify checks everything a token must be. Its errors are for the log; callers learn less.
func (a *authority) verify(token string) (*claims, error) {
	c := new(claims)
	_, err := jwt.ParseWithClaims(token, c, func(*jwt.Token) (any, error) { return &a.o.Identity.tokenKey.PublicKey, nil },
		jwt.WithValidMethods([]string{algorithm}), jwt.WithIssuer(a.issuer()), jwt.WithExpirationRequired(), jwt.WithNotBeforeRequired(),
		jwt.WithIssuedAt(), jwt.WithTimeFunc(a.o.Clock.Now), jwt.WithLeeway(leeway), jwt.WithStrictDecoding())
	if err != nil {
		return nil, err
	}
	if len(c.Audience) != 1 || a.audience(c.Audience[0]) == "" {
		return nil, fmt.Errorf("the audience %q is not accepted", c.Audience)
	}
	if c.Tenant != a.o.Tenant {
		return nil, fmt.Errorf("the tenant %q is not ours", c.Tenant)
	}
	if c.Scope != accessScope {
		return nil, errors.New("the scope does not allow it")
	}
	if _, ok := a.secrets[c.AppID]; !ok {
		return nil, fmt.Errorf("the application %q is not configured any more", c.AppID)
	}
	return c, nil
}

// jwk is the public half of the signing key as a key set shows it (RFC 7517, RFC 7518 6.2.1).
type jwk struct {
	Kty string `json:"kty"`
	Use string `json:"use"`
	Alg string `json:"alg"`
	Kid string `json:"kid"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
}

func (a *authority) keys() ([]jwk, error) {
	pub, err := a.o.Identity.tokenKey.PublicKey.Bytes() // 4, x, y (SEC 1 2.3.3)
	if err != nil {
		return nil, err
	}
	half := (len(pub) - 1) / 2
	coordinate := func(b []byte) string {
		return base64.RawURLEncoding.EncodeToString(new(big.Int).SetBytes(b).FillBytes(make([]byte, half)))
	}
	return []jwk{{Kty: "EC", Use: "sig", Alg: algorithm, Kid: a.o.Identity.tokenID, Crv: "P-256", X: coordinate(pub[1 : 1+half]), Y: coordinate(pub[1+half:])}}, nil
}
