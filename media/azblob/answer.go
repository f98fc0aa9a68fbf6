package azblob

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
)

// Answer is what the storage service says when it refuses. It names no credential. It wraps fs.ErrNotExist or
// fs.ErrPermission where that is what it means.
type Answer struct {
	// Status is the HTTP status, Code the service's word ("ContainerNotFound"), "" when it gave none.
	Status int
	Code   string
	// Detail is what the service says of a failed authentication: which signature, from when to when; often "".
	Detail string
	err    error
}

// Error implements error.
func (a *Answer) Error() string {
	switch {
	case errors.Is(a.err, fs.ErrNotExist):
		return fmt.Sprintf("%s: %v", a.Code, a.err)
	case errors.Is(a.err, fs.ErrPermission):
		return fmt.Sprintf("%s: %v; the credential needs to read and list", a.Code, a.err)
	default:
		return fmt.Sprintf("the storage service answers %d %s", a.Status, a.Code)
	}
}

// Unwrap gives what it means.
func (a *Answer) Unwrap() error { return a.err }

// queries are the ends of addresses, where signatures lie in whatever order.
var queries = regexp.MustCompile(`\?[^\s"]+`)

// maxDetail is how much of the service's explanation is kept, in bytes.
const maxDetail = 300

// explain makes the server's answer an *Answer; other errors lose the credential that they may quote.
func (o Options) explain(err error) error {
	var e *azcore.ResponseError
	if !errors.As(err, &e) {
		text := queries.ReplaceAllString(strings.NewReplacer(o.redacted()...).Replace(err.Error()), "")
		return &plain{text, err}
	}
	a := &Answer{Status: e.StatusCode, Code: e.ErrorCode}
	switch {
	case e.StatusCode == http.StatusNotFound || bloberror.HasCode(err, bloberror.BlobNotFound, bloberror.ContainerNotFound):
		a.err = fs.ErrNotExist
	case e.StatusCode == http.StatusForbidden || e.StatusCode == http.StatusUnauthorized:
		a.err, a.Detail = fs.ErrPermission, o.detail(e.RawResponse)
	case e.StatusCode == http.StatusBadRequest:
		a.Detail = o.detail(e.RawResponse)
	}
	return a
}

// plain is an error whose text was cleaned. It unwraps to the cause for errors.Is and errors.As; its text alone is for people.
type plain struct {
	text string
	err  error
}

func (p *plain) Error() string { return p.text }
func (p *plain) Unwrap() error { return p.err }

// detail is the service's explanation in the body of a refusal.
func (o Options) detail(r *http.Response) string {
	if r == nil {
		return ""
	}
	body, err := runtime.Payload(r)
	if err != nil {
		return ""
	}
	var d struct {
		Message string
		Detail  string `xml:"AuthenticationErrorDetail"`
	}
	if xml.Unmarshal(body, &d) != nil {
		return ""
	}
	text := d.Detail
	if text == "" {
		text, _, _ = strings.Cut(d.Message, "\n")
	}
	if strings.Contains(text, "MAC signature") {
		text = "the signature does not fit the request" // theirs quotes it
	}
	if i := strings.Index(strings.ToLower(text), "string to sign"); i >= 0 {
		text = text[:i] // it goes on with what was signed
	}
	text = strings.NewReplacer(o.redacted()...).Replace(strings.TrimSpace(text))
	return text[:min(len(text), maxDetail)]
}
