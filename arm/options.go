package arm

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"time"

	"linkspan/internal/clock"
)

// Options configure a Server.
type Options struct {
	// BaseURL is how clients reach the endpoint, scheme https, no path: "https://localhost:8443". Every address in an
	// answer is made from it. May be set after listening, with Server.SetBaseURL, when the port was picked.
	BaseURL string
	// Subscription and Tenant are the GUIDs the endpoint answers for. SubscriptionName is what people see.
	Subscription, SubscriptionName, Tenant string
	// Clients may get tokens. At least one.
	Clients []Client
	// Audiences are accepted in tokens besides BaseURL itself, such as "https://management.azure.com". A slash at the
	// end makes no difference.
	Audiences []string
	// Identity holds the keys; see OpenIdentity.
	Identity *Identity
	// Instances are the managed instances behind the endpoint. At least one.
	Instances []Instance

	// TokenLifetime is how long tokens are good for; default one hour.
	TokenLifetime time.Duration
	// FailureDelay is how long the answer to a wrong secret waits; default 500 ms.
	FailureDelay time.Duration
	// KeepOperations is how long a finished operation can be asked about; default one hour.
	KeepOperations time.Duration
	// Clock is the time; default the machine's.
	Clock clock.Clock
	// Log may be nil.
	Log *slog.Logger
}

// Client is a service principal: who may ask for tokens.
type Client struct {
	// ID is the application's id (a GUID). Secret is at least 16 characters.
	ID, Secret string
}

// minSecret is the shortest client secret accepted; it is not typed by people.
const minSecret = 16

var guidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// Validate fills in defaults and reports every problem.
func (o *Options) Validate() error {
	var errs []error
	if o.BaseURL != "" {
		if _, err := cleanBase(o.BaseURL); err != nil {
			errs = append(errs, err)
		}
	}
	for what, s := range map[string]string{"Subscription": o.Subscription, "Tenant": o.Tenant} {
		if !guidForm.MatchString(s) {
			errs = append(errs, fmt.Errorf("%s %q is not a GUID", what, s))
		}
	}
	if len(o.Clients) == 0 {
		errs = append(errs, errors.New("no client may log in: Clients is empty"))
	}
	for _, c := range o.Clients {
		if !guidForm.MatchString(c.ID) {
			errs = append(errs, fmt.Errorf("client id %q is not a GUID", c.ID))
		}
		if len(c.Secret) < minSecret {
			errs = append(errs, fmt.Errorf("the secret of client %s has fewer than %d characters", c.ID, minSecret))
		}
	}
	if o.Identity == nil {
		errs = append(errs, errors.New("no Identity"))
	}
	if len(o.Instances) == 0 {
		errs = append(errs, errors.New("no Instances"))
	}
	for _, i := range o.Instances {
		errs = append(errs, i.validate())
	}
	o.defaults()
	return errors.Join(errs...)
}

func (o *Options) defaults() {
	if o.SubscriptionName == "" {
		o.SubscriptionName = "Linkspan"
	}
	if o.TokenLifetime <= 0 {
		o.TokenLifetime = time.Hour
	}
	if o.FailureDelay <= 0 {
		o.FailureDelay = 500 * time.Millisecond
	}
	if o.KeepOperations <= 0 {
		o.KeepOperations = time.Hour
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

func (i Instance) validate() error {
	if i.Name == "" || i.ResourceGroup == "" || i.Location == "" {
		return fmt.Errorf("instance %q needs a name, a resource group and a location", i.Name)
	}
	if i.Describe == nil || i.TrustCertificates == nil || i.EndpointCertificates == nil || i.Links == nil || i.Databases == nil {
		return fmt.Errorf("instance %q lacks a part", i.Name)
	}
	return nil
}

// cleanBase checks a base address and returns it without a slash at the end.
func cleanBase(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil {
		return "", fmt.Errorf("read BaseURL: %w", err)
	}
	if u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return "", fmt.Errorf("BaseURL %q must be https://host:port", s)
	}
	return "https://" + strings.ToLower(u.Host), nil
}
