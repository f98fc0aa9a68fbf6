package replay

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"linkspan/armtypes"
	"linkspan/migrate/depot"
	"linkspan/migrate/flow"
)

func hinder(ctx context.Context, what, fix string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &flow.Hindrance{At: flow.AtTarget, What: what, Fix: fix, Err: err}
}

// isCode reports whether the service answered with one of the codes, and the status when that is not 0.
func isCode(err error, status int, codes ...string) bool {
	var e *armtypes.Error
	return errors.As(err, &e) && (status == 0 || e.Status == status) && slices.ContainsFunc(codes, func(c string) bool { return strings.EqualFold(c, e.Code) })
}

func (t *Target) taken() error {
	return &flow.Halt{What: fmt.Sprintf("a database %q that is not this migration's is on %s", t.o.Database, t.o.Instance.Name),
		Fix: "drop or rename it there, or cancel and give another name (targetName)"}
}

func (t *Target) opened() error {
	return &flow.Halt{What: fmt.Sprintf("the database %q on %s is open: it may have writers, and is neither restored nor deleted", t.o.Database, t.o.Instance.Name),
		Fix: "drop it there if it is not wanted"}
}

func (t *Target) gone() error {
	return &flow.Hindrance{At: flow.AtTarget, What: fmt.Sprintf("the restoring database %q is not on %s any more", t.o.Database, t.o.Instance.Name), Fix: "retry restores again from what is in storage"}
}

func (t *Target) stopCommand() string {
	return fmt.Sprintf("az sql midb log-replay stop -g %s --mi %s -n %q", t.o.Instance.ResourceGroup, t.o.Instance.Name, t.o.Database)
}

// checkSource finds what the service would refuse of the storage, before it is asked.
func (t *Target) checkSource(ctx context.Context) error {
	if strings.HasPrefix(t.o.Container, "file://") {
		return nil
	}
	u, err := url.Parse(t.o.Container)
	if err != nil || u.Host == "" {
		return &flow.Halt{What: "the storage is not the address of a container", Fix: "give storage.container as https://account.blob.core.windows.net/container"}
	}
	for _, w := range strings.Split(u.Path, "/") {
		if strings.EqualFold(w, "backup") || strings.EqualFold(w, "backups") {
			return &flow.Halt{What: fmt.Sprintf("the Log Replay Service refuses %q in the storage's path", w), Fix: "use a container of another name"}
		}
	}
	if wrong := depot.WrongReader(t.o.SAS, t.o.Clock.Now()); wrong != "" {
		return hinder(ctx, wrong, depot.RightReader, nil)
	}
	return nil
}

// unreached are words of errors of the network.
var unreached = []string{"connection refused", "no such host", "i/o timeout", "network is unreachable", "no route to host", "connection reset"}

func says(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// trouble says what an error of the management API means.
func (t *Target) trouble(ctx context.Context, err error) error {
	var e *armtypes.Error
	if errors.As(err, &e) {
		return t.refused(ctx, e, err)
	}
	var login *azidentity.AuthenticationFailedError
	var stranger x509.UnknownAuthorityError
	var dns *net.DNSError
	text := err.Error() // azidentity keeps only the words of what happened to its requests
	switch {
	case errors.As(err, &stranger), strings.Contains(text, "certificate signed by unknown authority"):
		return hinder(ctx, "the management API's certificate is under no authority that is known here", "give the PEM of its authority as target.ca", err)
	case errors.As(err, &dns), errors.Is(err, syscall.ECONNREFUSED), errors.As(err, new(*net.OpError)), says(text, unreached...):
		return hinder(ctx, "the management API is not reached", "check target.endpoint, the network and outbound port 443; it is tried again", err)
	case errors.As(err, &login), strings.Contains(text, "AADSTS"):
		return hinder(ctx, "the application is not let in", "check target.tenant, clientId and the application's key: it may have expired", err)
	case strings.Contains(text, "DefaultAzureCredential"):
		return hinder(ctx, "nobody is signed in to Azure here", "sign in (az login), or give target.tenant, clientId and the application's key", err)
	case errors.As(err, new(*url.Error)), errors.Is(err, context.DeadlineExceeded):
		return hinder(ctx, "the management API is not reached", "check target.endpoint, the network and outbound port 443; it is tried again", err)
	}
	return hinder(ctx, "the management API does not work", "it is tried again", err)
}

// refused says what the service's answer means.
func (t *Target) refused(ctx context.Context, e *armtypes.Error, err error) error {
	mi := t.o.Instance
	words := strings.ToLower(e.Code + " " + e.Message)
	switch {
	case e.Status == http.StatusUnauthorized || strings.Contains(e.Message, "AADSTS"):
		return hinder(ctx, "the application is not let in", "check target.tenant, clientId and the application's key: it may have expired", err)
	case e.Status == http.StatusForbidden:
		return hinder(ctx, "the application may not restore databases on "+mi.Name,
			"give it the role SQL Managed Instance Contributor on the instance, or a role with Microsoft.Sql/managedInstances/read, databases/* and locations/*/read", err)
	case strings.EqualFold(e.Code, "SubscriptionNotFound"), strings.EqualFold(e.Code, "InvalidSubscriptionId"):
		return hinder(ctx, fmt.Sprintf("the subscription %s is not there, or not for this application to see", mi.Subscription), "check target.instance", err)
	case strings.EqualFold(e.Code, "ResourceGroupNotFound"):
		return hinder(ctx, fmt.Sprintf("there is no resource group %s", mi.ResourceGroup), "check target.instance", err)
	case e.Status == http.StatusNotFound:
		return hinder(ctx, fmt.Sprintf("there is no managed instance %s in %s", mi.Name, mi.ResourceGroup), "check target.instance", err)
	case isCode(e, 0, "DatabaseAlreadyExists", "ManagedDatabaseAlreadyExists", "ConflictingDatabaseOperation"):
		return t.taken()
	case strings.EqualFold(e.Code, "TooManyLogReplays"), e.Status == http.StatusTooManyRequests:
		return hinder(ctx, mi.Name+" restores as many databases as it can", "it is asked again; complete or cancel others to go on sooner", err)
	case strings.EqualFold(e.Code, "LastBackupNotReachable"):
		return hinder(ctx, "the target does not have every file that leads to the last one", "it is asked again", err)
	case strings.Contains(words, "names backup"):
		return &flow.Halt{What: "the target refuses the storage's name", Fix: "use a container of another name", Err: err}
	case strings.Contains(words, "signature") || strings.Contains(words, "sastoken") || strings.Contains(words, "sas token"):
		return hinder(ctx, "the target refuses the shared access signature", depot.RightReader, err)
	case strings.EqualFold(e.Code, "StorageContainerNotAccessible"), strings.Contains(words, "storagecontainer"):
		return hinder(ctx, "the target cannot read the storage", "let the instance's network reach the storage account, and check the signature for the target; it is tried again", err)
	case strings.Contains(words, "outside the backup folders"):
		return hinder(ctx, "the storage folder is not one that the target may read", "add it to the backups of the instance's configuration and restart it", err)
	}
	return hinder(ctx, mi.Name+" refuses the request", "it is tried again", err)
}
