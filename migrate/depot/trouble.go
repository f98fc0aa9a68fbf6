package depot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"linkspan/internal/clock"
	"linkspan/media/azblob"
	"linkspan/migrate/flow"
)

// hinder makes an error a *flow.Hindrance at the storage. An end of the caller's patience stays what it is.
func hinder(ctx context.Context, what, fix string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &flow.Hindrance{At: flow.AtStorage, What: what, Fix: fix, Err: err}
}

// diskTrouble says what a disk's error means. path is what was worked on.
func diskTrouble(ctx context.Context, root, path string, free int64, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		what := fmt.Sprintf("the disk of the storage folder %s is full", root)
		if free >= 0 {
			what += fmt.Sprintf(" (%d MiB free)", free>>20)
		}
		return hinder(ctx, what, "make room there; the copy goes on by itself", err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return hinder(ctx, fmt.Sprintf("the storage folder %s cannot be written", root),
			"give the account that this program runs under the right to write there", err)
	case errors.Is(err, fs.ErrNotExist):
		return hinder(ctx, fmt.Sprintf("the storage folder %s is not there", root), "make it, or mount the disk that it lies on", err)
	}
	return hinder(ctx, "the storage does not work at "+path, "look at the disk; it is tried again", err)
}

// signature is what a shared access signature says of itself.
type signature struct {
	rights, resource, policy string
	from, until              time.Time
	there, broken            bool
}

func readSignature(sas string) signature {
	s := signature{there: sas != ""}
	q, err := url.ParseQuery(strings.TrimPrefix(sas, "?"))
	if err != nil || s.there && q.Get("sig") == "" {
		s.broken = s.there
		return s
	}
	s.rights, s.resource, s.policy = q.Get("sp"), q.Get("sr"), q.Get("si")
	s.from, s.until = sasTime(q.Get("st")), sasTime(q.Get("se"))
	return s
}

// sasTime reads a time in one of the forms that signatures have; zero when there is none.
func sasTime(s string) time.Time {
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04Z", time.DateOnly} {
		if t, err := time.Parse(form, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// needed are the rights of a signature by which files are brought, with their names. Of Create and Write one is enough.
var needed = []struct{ letters, name string }{{"r", "Read"}, {"l", "List"}, {"cw", "Create or Write"}}

const makeSAS = "make one for the container with Read, Create, Write and List (sp=rcwl), and put it where storage.sasFile or LINKSPAN_STORAGE_SAS says"

// wrong says what is wrong with the signature itself now; "" when nothing is to be seen.
func (s signature) wrong(clk clock.Clock) string {
	now := clk.Now().UTC()
	switch {
	case !s.there:
		return ""
	case s.broken:
		return "the shared access signature is none: it has no sig"
	case !s.until.IsZero() && !now.Before(s.until):
		return fmt.Sprintf("the shared access signature expired at %s (UTC)", s.until.Format(time.DateTime))
	case !s.from.IsZero() && now.Before(s.from):
		return fmt.Sprintf("the shared access signature is valid from %s (UTC) only, and it is %s", s.from.Format(time.DateTime), now.Format(time.DateTime))
	case s.resource != "" && s.resource != "c":
		return fmt.Sprintf("the shared access signature is not for a container (sr=%s)", s.resource)
	case s.policy == "" && s.rights != "":
		if lacks := s.lacks(); lacks != "" {
			return fmt.Sprintf("the shared access signature gives the rights %q and lacks %s", s.rights, lacks)
		}
	}
	return ""
}

// lacks names the rights that are missing.
func (s signature) lacks() string {
	var out []string
	for _, n := range needed {
		if !strings.ContainsAny(s.rights, n.letters) {
			out = append(out, n.name)
		}
	}
	return strings.Join(out, ", ")
}

// trouble says what an error of the container means.
func (c *container) trouble(ctx context.Context, err error) error {
	a := new(azblob.Answer)
	if errors.As(err, &a) {
		what, fix := c.refused(a)
		return hinder(ctx, what, fix, err)
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return hinder(ctx, fmt.Sprintf("the storage account is not known: nobody has the name %s", dns.Name),
			"check the account's name in storage.container, and that this machine's name server answers for it", err)
	case errors.Is(err, syscall.ECONNREFUSED), errors.As(err, new(*net.OpError)), errors.As(err, new(*url.Error)), errors.As(err, &dns), errors.Is(err, context.DeadlineExceeded):
		return hinder(ctx, fmt.Sprintf("the storage at %s is not reached", c.address), "check the network, the proxy and outbound port 443; it is tried again", err)
	case c.o.Token != nil:
		return hinder(ctx, "no token for the storage was given", "check the application's id and key, or sign in again", err)
	}
	return hinder(ctx, fmt.Sprintf("the storage at %s does not work", c.address), "it is tried again", err)
}

// refused says what the service's answer means.
func (c *container) refused(a *azblob.Answer) (what, fix string) {
	if wrong := c.sas.wrong(c.clock); wrong != "" && (a.Status == 403 || a.Status == 401) {
		return wrong, makeSAS
	}
	detail := ""
	if a.Detail != "" {
		detail = " (" + a.Detail + ")"
	}
	switch a.Code {
	case "ContainerNotFound", "ResourceNotFound":
		return fmt.Sprintf("there is no container %s", c.address),
			fmt.Sprintf("make it: az storage container create --account-name %s --name %s", c.account(), c.name())
	case "ContainerBeingDeleted", "ContainerDisabled":
		return fmt.Sprintf("the container %s is being deleted", c.address), "wait until it is gone and make it anew, or name another one"
	case "AuthenticationFailed", "InvalidAuthenticationInfo":
		return c.wrongCredential() + detail, c.rightCredential()
	case "AuthorizationPermissionMismatch", "InsufficientAccountPermissions":
		if c.o.Token != nil {
			return "the application may not write to the container", "give it the role Storage Blob Data Contributor on the container or the storage account; it takes some minutes to count"
		}
		return fmt.Sprintf("the shared access signature (rights %q) does not allow this", c.sas.rights), makeSAS
	case "AuthorizationResourceTypeMismatch", "AuthorizationServiceMismatch":
		return "the account's shared access signature is not for blobs, containers and objects", makeSAS
	case "AuthorizationSourceIPMismatch":
		return "the shared access signature is for other addresses than this machine's" + detail, "make one without the restriction to addresses (sip), or with this machine's"
	case "AuthorizationProtocolMismatch":
		return "the shared access signature is for https only", "name the container by https"
	case "AuthorizationFailure":
		if strings.Contains(a.Detail, "authenticate") { // an emulator's word for a wrong credential
			return c.wrongCredential(), c.rightCredential()
		}
		return "the storage account's firewall refuses this machine", "allow this machine's address or network in the account's Networking; the managed instance's subnet needs it too"
	case "KeyBasedAuthenticationNotPermitted":
		return "the storage account takes no keys, and no signatures made with them", "use a Microsoft Entra application, or allow storage account key access in the account's Configuration"
	case "PublicAccessNotPermitted", "NoAuthenticationInformation":
		return "the storage wants a credential", "give storage.sasFile, or storage.account with storage.keyFile"
	case "AccountIsDisabled":
		return "the storage account is disabled", "look at the account and its subscription in the portal"
	case "BlobImmutableDueToPolicy":
		return "the container's immutability policy refuses this", "use a container without one"
	}
	switch {
	case slices.Contains([]int{408, 429, 500, 502, 503, 504}, a.Status):
		return "the storage is busy or out of order", "it is tried again"
	case a.Status == 403 || a.Status == 401:
		return "the storage refuses the credential" + detail, c.rightCredential()
	}
	return "the storage refuses the request" + detail, "it is tried again"
}

func (c *container) wrongCredential() string {
	switch {
	case c.o.Key != "":
		return fmt.Sprintf("the key is not one of the storage account %s", c.o.Account)
	case c.o.Token != nil:
		return "the storage does not accept the application's token"
	case c.sas.there:
		return "the shared access signature is not valid: it was changed, or the key that it was made with was replaced"
	}
	return "the storage wants a credential"
}

func (c *container) rightCredential() string {
	switch {
	case c.o.Key != "":
		return "take a key from the account's Access keys; check this machine's clock too"
	case c.o.Token != nil:
		return "check the application's tenant, id and key"
	}
	return makeSAS
}

// RightReader is what to do when a signature is wrong by which a target is to read a container.
const RightReader = "make a shared access signature for the container with Read and List and nothing else (sp=rl), and put it where storage.targetSasFile or LINKSPAN_TARGET_SAS says"

// WrongReader says what is wrong with a signature by which a target is to read a container, now; "" when nothing is to be
// seen. The Log Replay Service takes only one that gives Read and List and no other right.
func WrongReader(sas string, now time.Time) string {
	if strings.HasPrefix(sas, "?") {
		return "the shared access signature for the target begins with a question mark: leave that out"
	}
	s := readSignature(sas)
	rights := strings.Split(s.rights, "")
	slices.Sort(rights)
	switch {
	case !s.there:
		return "the shared access signature for the target is missing"
	case s.broken:
		return "the shared access signature for the target is none: it has no sig"
	case s.policy != "":
		return fmt.Sprintf("the shared access signature for the target uses a stored access policy (%s), which the Log Replay Service does not take", s.policy)
	case s.resource != "c":
		return fmt.Sprintf("the shared access signature for the target is not for a container (sr=%s)", s.resource)
	case strings.Join(rights, "") != "lr":
		return fmt.Sprintf("the shared access signature for the target gives the rights %q: the Log Replay Service takes only one with Read and List and no others", s.rights)
	case !s.until.IsZero() && !now.Before(s.until):
		return fmt.Sprintf("the shared access signature for the target expired at %s (UTC)", s.until.Format(time.DateTime))
	case !s.from.IsZero() && now.Before(s.from):
		return fmt.Sprintf("the shared access signature for the target is valid from %s (UTC) only", s.from.Format(time.DateTime))
	}
	return ""
}
