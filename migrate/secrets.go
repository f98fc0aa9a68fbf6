package migrate

import (
	"errors"
	"strings"

	"linkspan/internal/fsx"
	"linkspan/internal/smallfile"
)

// The environment variables that hold secrets. Each comes before the file that the spec names.
const (
	SourcePasswordVar = "LINKSPAN_SOURCE_PASSWORD"
	TargetPasswordVar = "LINKSPAN_TARGET_PASSWORD"
	SharePasswordVar  = "LINKSPAN_SHARE_PASSWORD"
	StorageKeyVar     = "LINKSPAN_STORAGE_KEY"
	StorageSASVar     = "LINKSPAN_STORAGE_SAS"
	TargetSASVar      = "LINKSPAN_TARGET_SAS"
	ClientSecretVar   = "AZURE_CLIENT_SECRET"
)

// Secrets are what a migration needs and a spec does not hold. They MUST NOT be stored or logged.
type Secrets struct {
	SourcePassword, TargetPassword, SharePassword string
	StorageKey, StorageSAS, TargetSAS             string
	ClientSecret                                  string
}

// String shows nothing, wherever it is printed.
func (Secrets) String() string { return "(secrets)" }

// GoString shows nothing either.
func (Secrets) GoString() string { return "(secrets)" }

// Secrets collects the secrets: from the environment first (env looks a variable up), then from the files that the spec
// names. Files that others can read are refused; every problem is reported at once.
func (s Spec) Secrets(fs fsx.FS, env func(string) string) (Secrets, error) {
	var out Secrets
	var errs []error
	for _, x := range []struct {
		to             *string
		variable, file string
	}{
		{&out.SourcePassword, SourcePasswordVar, s.Source.PasswordFile},
		{&out.TargetPassword, TargetPasswordVar, s.Target.SQL.PasswordFile},
		{&out.SharePassword, SharePasswordVar, s.Share.PasswordFile},
		{&out.StorageKey, StorageKeyVar, s.Storage.KeyFile},
		{&out.StorageSAS, StorageSASVar, s.Storage.SASFile},
		{&out.TargetSAS, TargetSASVar, s.Storage.TargetSAS},
		{&out.ClientSecret, ClientSecretVar, s.Target.ClientSecretFile},
	} {
		if *x.to = env(x.variable); *x.to != "" || x.file == "" {
			continue
		}
		data, err := smallfile.Secret(fs, x.file)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		*x.to = strings.TrimRight(string(data), "\r\n")
	}
	for _, sas := range []*string{&out.StorageSAS, &out.TargetSAS} {
		*sas = strings.TrimPrefix(*sas, "?")
	}
	return out, errors.Join(errs...)
}
