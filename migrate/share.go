package migrate

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// Place is a share's location, taken apart.
type Place struct {
	// Address is the SMB server, with a port when one was given; Share and Folder lie on it. Folder has slashes.
	Address, Share, Folder string
	// Local is a local folder; then the rest is empty.
	Local string
}

// ParsePlace reads \\server\share\folder, smb://server[:port]/share/folder, or the path of a local folder.
func ParsePlace(s string) (Place, error) {
	rest, smb := "", false
	switch {
	case strings.HasPrefix(s, `\\`), strings.HasPrefix(s, "//"):
		rest, smb = strings.ReplaceAll(s[2:], `\`, "/"), true
	case strings.HasPrefix(strings.ToLower(s), "smb://"):
		u, err := url.Parse(s)
		if err != nil {
			return Place{}, errors.New("it is no smb:// address") // the cause would quote it, with what it holds
		}
		if u.User != nil || u.RawQuery != "" {
			return Place{}, errors.New("an smb:// address holds no user, password or query here: use share.user and share.passwordFile")
		}
		rest, smb = u.Host+u.Path, true
	}
	if !smb {
		if !filepath.IsAbs(s) {
			return Place{}, fmt.Errorf(`%q is none of \\server\share\folder, smb://server/share/folder, or an absolute local folder`, s)
		}
		return Place{Local: filepath.Clean(s)}, nil
	}
	parts := strings.Split(strings.Trim(rest, "/"), "/")
	if len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		return Place{}, fmt.Errorf(`%q names no share: it is \\server\share or smb://server/share, with a folder behind it or none`, s)
	}
	for _, p := range parts[1:] {
		if p == "" || p == "." || p == ".." || strings.ContainsAny(p, `:*?"<>|`) {
			return Place{}, fmt.Errorf("%q is not a name on a share", p)
		}
	}
	return Place{Address: parts[0], Share: parts[1], Folder: strings.Join(parts[2:], "/")}, nil
}

// UNC is the place as SQL Server on Windows names it.
func (p Place) UNC() string {
	if p.Local != "" {
		return p.Local
	}
	host, _, _ := strings.Cut(p.Address, ":")
	out := `\\` + host + `\` + p.Share
	if p.Folder != "" {
		out += `\` + strings.ReplaceAll(p.Folder, "/", `\`)
	}
	return out
}

// inside is a folder in a place, spelled as that is.
func inside(path, name string) string {
	sep := "/"
	if strings.Contains(path, `\`) {
		sep = `\`
	}
	return strings.TrimRight(path, `/\`) + sep + name
}

// azureShare checks AZURE\account, whose share lies on account.file.core.windows.net.
func azureShare(user, path string) error {
	account, ok := cutFold(user, `AZURE\`)
	if !ok {
		return nil
	}
	p, err := ParsePlace(path)
	if err != nil || p.Local != "" {
		return err
	}
	if host, _, _ := strings.Cut(p.Address, "."); !strings.EqualFold(host, account) {
		return fmt.Errorf(`AZURE\%s is the storage account %s, but the share is on %s: it has to be \\%s.file.core.windows.net\share`, account, account, p.Address, account)
	}
	return nil
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
