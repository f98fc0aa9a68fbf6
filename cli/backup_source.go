package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"runtime"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"linkspan/internal/fsx"
	"linkspan/media"
	"linkspan/media/azblob"
	"linkspan/media/smb"
)

// The environment variables that hold the credentials of sources. With _FILE behind the name of a secret, the variable
// names a file (mode 0600) that holds it.
const (
	smbUserVar     = "LINKSPAN_SMB_USER"
	smbPasswordVar = "LINKSPAN_SMB_PASSWORD"
	blobKeyVar     = "LINKSPAN_BLOB_KEY"
	blobSASVar     = "LINKSPAN_BLOB_SAS"
)

// openSource opens the source that an address such as smb://… or https://… names; nil for a local path. prefix is the
// folder or file inside it, shown what is put before names.
func openSource(ctx context.Context, p string) (src media.Source, prefix, shown string, err error) {
	scheme, rest, ok := strings.Cut(p, "://")
	if !ok {
		return nil, "", "", nil
	}
	u, err := url.Parse(p)
	if err != nil || u.Host == "" {
		return nil, "", "", usageError(errors.New("an address could not be read: write smb://server/share/folder or https://account.blob.core.windows.net/container/folder"))
	}
	if u.User != nil || u.RawQuery != "" || strings.Contains(rest, "sig=") {
		return nil, "", "", usageError(fmt.Errorf("%s://%s: credentials do not belong in an address: they are seen by everyone on the machine; set %s, %s, %s or %s, or the same with _FILE",
			scheme, u.Host, smbUserVar, smbPasswordVar, blobSASVar, blobKeyVar))
	}
	segments := strings.Split(strings.Trim(u.Path, "/"), "/")
	switch scheme {
	case "smb":
		return openShare(ctx, u, segments)
	case "https", "http":
		return openContainer(u, segments)
	default:
		return nil, "", "", usageError(fmt.Errorf("%s:// is not a source of backups: smb:// and https:// are", scheme))
	}
}

func openShare(ctx context.Context, u *url.URL, segments []string) (media.Source, string, string, error) {
	password, err := secretOf(smbPasswordVar)
	if err != nil {
		return nil, "", "", err
	}
	user := os.Getenv(smbUserVar)
	if user == "" {
		return nil, "", "", usageError(fmt.Errorf("%s says nobody: guests cannot sign what they say, so that a share needs a user", smbUserVar))
	}
	src, err := smb.Open(ctx, smb.Options{Address: u.Host, Share: segments[0], User: user, Password: password})
	if err != nil {
		return nil, "", "", err
	}
	return src, strings.Join(segments[1:], "/"), "smb://" + u.Host + "/" + segments[0] + "/", nil
}

// openContainer opens a blob container with the key or signature of the environment, or else as the identity that is
// signed in (for Azure's own addresses) or nobody.
func openContainer(u *url.URL, segments []string) (media.Source, string, string, error) {
	account, _, _ := strings.Cut(u.Hostname(), ".")
	depth := 1
	if net.ParseIP(u.Hostname()) != nil || u.Hostname() == "localhost" { // an emulator: the account is in the path
		account, depth = segments[0], 2
	}
	if len(segments) < depth || segments[depth-1] == "" {
		return nil, "", "", usageError(fmt.Errorf("%s names no container", u.Redacted()))
	}
	o := azblob.Options{Container: u.Scheme + "://" + u.Host + "/" + strings.Join(segments[:depth], "/"), Account: account}
	var errs [2]error
	o.Key, errs[0] = secretOf(blobKeyVar)
	o.SAS, errs[1] = secretOf(blobSASVar)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, "", "", err
	}
	if o.Key == "" && o.SAS == "" && depth == 1 {
		cred, err := azidentity.NewDefaultAzureCredential(nil)
		if err != nil {
			return nil, "", "", fmt.Errorf("sign in to Azure for %s: %w", o.Container, err)
		}
		o.Token = cred
	}
	src, err := azblob.New(o)
	if err != nil {
		return nil, "", "", usageError(err)
	}
	return src, strings.Join(segments[depth:], "/"), o.Container + "/", nil
}

// secretOf gives the value of a variable, or the content of the file that the variable with _FILE names. A file that
// others may read is refused.
func secretOf(variable string) (string, error) {
	if v := os.Getenv(variable); v != "" {
		return v, nil
	}
	name := os.Getenv(variable + "_FILE")
	if name == "" {
		return "", nil
	}
	info, err := fsx.OS{}.Stat(name)
	if err != nil {
		return "", fmt.Errorf("read the secret that %s_FILE names: %w", variable, err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("read the secret that %s_FILE names: others may read %s (mode %04o): chmod 600 it", variable, name, info.Mode().Perm())
	}
	f, err := fsx.OS{}.Open(name)
	if err != nil {
		return "", fmt.Errorf("read the secret that %s_FILE names: %w", variable, err)
	}
	defer f.Close()
	b := make([]byte, min(info.Size(), 64<<10))
	n, err := f.ReadAt(b, 0)
	if n < len(b) {
		return "", fmt.Errorf("read the secret that %s_FILE names: %w", variable, err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
