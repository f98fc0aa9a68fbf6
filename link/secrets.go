package link

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"linkspan/internal/fsx"
	"linkspan/internal/smallfile"
)

// The environment variables that hold secrets.
const (
	SourcePasswordVar    = "LINKSPAN_SOURCE_PASSWORD"
	TargetPasswordVar    = "LINKSPAN_TARGET_PASSWORD"
	MasterKeyPasswordVar = "LINKSPAN_MASTER_KEY_PASSWORD"
	ClientSecretVar      = "AZURE_CLIENT_SECRET"
)

// Secrets are what a run needs and a spec does not hold. The names beside them may be the spec's.
type Secrets struct {
	SourceUser, SourcePassword     string
	TargetUser, TargetPassword     string
	Tenant, ClientID, ClientSecret string
	MasterKeyPassword              string
}

// credentialsFile is the file that the sandbox writes.
type credentialsFile struct {
	Source struct{ User, Password string }
	Target struct{ User, Password string }
	ARM    struct{ Tenant, ClientID, ClientSecret string }
}

// Secrets collects the secrets: from the environment first, then from the files that the spec names, last from its
// credentials file. A master key's password that nobody gave is random. env looks up a variable. Files that others can read are refused.
func (s Spec) Secrets(fs fsx.FS, env func(string) string) (Secrets, error) {
	out := Secrets{SourceUser: s.Source.User, TargetUser: s.Target.SQL.User, Tenant: s.Target.Tenant, ClientID: s.Target.ClientID}
	var errs []error
	take := func(p *string, variable, file string) {
		if *p = env(variable); *p != "" || file == "" {
			return
		}
		data, err := smallfile.Secret(fs, file)
		if err != nil {
			errs = append(errs, err)
		}
		*p = strings.TrimRight(string(data), "\r\n")
	}
	take(&out.SourcePassword, SourcePasswordVar, s.Source.PasswordFile)
	take(&out.TargetPassword, TargetPasswordVar, s.Target.SQL.PasswordFile)
	take(&out.MasterKeyPassword, MasterKeyPasswordVar, s.Source.MasterKeyPasswordFile)
	take(&out.ClientSecret, ClientSecretVar, s.Target.ClientSecretFile)
	if out.MasterKeyPassword == "" {
		out.MasterKeyPassword = randomPassword()
	}
	if s.Credentials != "" {
		errs = append(errs, out.fill(fs, s.Credentials))
	}
	return out, errors.Join(errs...)
}

// randomPassword is for a master key whose password nobody named, and nobody keeps: the service master key opens the key,
// and ALTER MASTER KEY ADD ENCRYPTION BY PASSWORD gives it a known one later.
func randomPassword() string {
	return "Aa1!" + rand.Text()
}

// fill takes what is missing from a credentials file.
func (out *Secrets) fill(fs fsx.FS, file string) error {
	data, err := smallfile.Secret(fs, file)
	if err != nil {
		return err
	}
	var c credentialsFile
	if err := json.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("read %s: it is not the JSON it should be", file) // the cause would quote the file
	}
	for _, p := range []struct {
		to   *string
		from string
	}{
		{&out.SourceUser, c.Source.User}, {&out.SourcePassword, c.Source.Password},
		{&out.TargetUser, c.Target.User}, {&out.TargetPassword, c.Target.Password},
		{&out.Tenant, c.ARM.Tenant}, {&out.ClientID, c.ARM.ClientID}, {&out.ClientSecret, c.ARM.ClientSecret},
	} {
		if *p.to == "" {
			*p.to = p.from
		}
	}
	return nil
}

func newReader(data []byte) io.Reader { return bytes.NewReader(data) }
