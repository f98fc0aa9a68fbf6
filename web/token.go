package web

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/internal/smallfile"
)

// Role is what the bearer of a token may do.
type Role string

// The roles. An operator may do what a viewer may.
const (
	// Anyone is the role of routes that ask for no token.
	Anyone Role = ""
	// Viewer may look at everything.
	Viewer Role = "viewer"
	// Operator may start, cut over and cancel.
	Operator Role = "operator"
)

// allows reports whether a bearer of r may use a route of role need.
func (r Role) allows(need Role) bool { return need == Anyone || r == Operator || r == need }

// Token is one line of a tokens' file. It holds a hash, not the token.
type Token struct {
	// Name is who the audit shows: letters, digits, dots, hyphens, underscores, at most 64.
	Name string `json:"name"`
	Role Role   `json:"role"`
	// Hash is "sha256:" and the hash of the token in hexadecimal. Tokens are random, so that no slower hash is needed.
	Hash    string    `json:"hash"`
	Created time.Time `json:"created,omitzero"`
	// Expires is when it ends; the zero time is never.
	Expires time.Time `json:"expires,omitzero"`
}

// tokensFile is the content of the file.
type tokensFile struct {
	Tokens []Token `json:"tokens"`
}

// tokenPrefix shows people, and programs that look for secrets, what a token is.
const tokenPrefix = "lspn_"

// NewSecret makes a token: 32 random bytes.
func NewSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// HashSecret is a token as a tokens' file holds it.
func HashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hashPrefix + hex.EncodeToString(sum[:])
}

const hashPrefix = "sha256:"

var (
	tokenName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	tokenHash = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// ParseTokens reads the content of a tokens' file and reports every problem.
func ParseTokens(data []byte) ([]Token, error) {
	var f tokensFile
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("it is not valid JSON of the form {\"tokens\": [{\"name\", \"role\", \"hash\"}]}: %w", err)
	}
	var errs []error
	seen := map[string]bool{}
	for i, t := range f.Tokens {
		switch {
		case !tokenName.MatchString(t.Name):
			errs = append(errs, fmt.Errorf("tokens[%d].name: 1 to 64 letters, digits, dots, hyphens and underscores", i))
		case seen[strings.ToLower(t.Name)]:
			errs = append(errs, fmt.Errorf("tokens[%d].name: there is another token %s", i, t.Name))
		}
		seen[strings.ToLower(t.Name)] = true
		if t.Role != Viewer && t.Role != Operator {
			errs = append(errs, fmt.Errorf("tokens[%d].role: %q is neither %s nor %s", i, t.Role, Viewer, Operator))
		}
		if !tokenHash.MatchString(t.Hash) {
			errs = append(errs, fmt.Errorf("tokens[%d].hash: not sha256: and 64 hexadecimal digits", i))
		}
	}
	return f.Tokens, errors.Join(errs...)
}

// FormatTokens is the content of a tokens' file.
func FormatTokens(all []Token) ([]byte, error) {
	data, err := json.MarshalIndent(tokensFile{all}, "", "  ")
	if err != nil {
		return nil, err
	}
	if _, err := ParseTokens(data); err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

// Tokens are those of a file, which is read again when it has changed: a token that was taken out ends within a second.
// Safe for concurrent use.
type Tokens struct {
	fs   fsx.FS
	file string
	clk  clock.Clock

	mu     sync.Mutex // protects what follows
	all    []Token
	asked  time.Time // when the file was last looked at
	seen   string    // the file's time and size then
	broken error     // why it cannot be read; then nobody is admitted
}

// rereadEvery is how often the file is looked at.
const rereadEvery = time.Second

// OpenTokens reads a tokens' file, which only its owner may be able to read.
func OpenTokens(fs fsx.FS, file string, clk clock.Clock) (*Tokens, error) {
	t := &Tokens{fs: fs, file: file, clk: clk}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reread()
	return t, t.broken
}

// reread reads the file when it has changed. mu is held.
func (t *Tokens) reread() {
	now := t.clk.Now()
	if !t.asked.IsZero() && now.Sub(t.asked) < rereadEvery && !now.Before(t.asked) {
		return
	}
	t.asked = now
	st, err := t.fs.Stat(t.file)
	if err != nil {
		t.all, t.seen, t.broken = nil, "", fmt.Errorf("read tokens: %w", err)
		return
	}
	seen := fmt.Sprintf("%d %d %o", st.ModTime().UnixNano(), st.Size(), st.Mode())
	if seen == t.seen {
		return
	}
	t.seen, t.all = seen, nil
	data, err := smallfile.Secret(t.fs, t.file)
	if err == nil {
		t.all, err = ParseTokens(data)
	}
	if t.broken = err; err != nil {
		t.all, t.broken = nil, fmt.Errorf("tokens' file %s: %w", t.file, err)
	}
}

// errNoToken and errExpired say why somebody is not admitted; errBroken that nobody is.
var (
	errNoToken = errors.New("the token is not known here")
	errExpired = errors.New("the token has expired")
)

// find tells whose token a secret is. It takes the same time wherever the secret is wrong.
func (t *Tokens) find(secret string) (Token, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reread()
	if t.broken != nil {
		return Token{}, t.broken
	}
	got, at := HashSecret(secret), -1
	for i := range t.all {
		if subtle.ConstantTimeCompare([]byte(got), []byte(t.all[i].Hash)) == 1 {
			at = i
		}
	}
	if at < 0 {
		return Token{}, errNoToken
	}
	if x := t.all[at].Expires; !x.IsZero() && !t.clk.Now().Before(x) {
		return Token{}, errExpired
	}
	return t.all[at], nil
}
