package logreplay

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"linkspan/armtypes"
	"linkspan/media"
	"linkspan/media/azblob"
)

func invalid(format string, args ...any) error {
	return armtypes.Errorf(http.StatusBadRequest, "InvalidParameterValue", format, args...)
}

// folderScheme begins the address of a folder of the instance's.
const folderScheme = "file://"

// open makes the source of a specification; nothing is asked of it yet.
func (m *Manager) open(s armtypes.ReplaySpec) (media.Source, error) {
	if path, ok := strings.CutPrefix(s.Container, folderScheme); ok {
		if len(path) > 2 && path[0] == '/' && path[2] == ':' {
			path = path[1:] // file:///C:/…
		}
		if s.Signature != "" {
			return nil, invalid("A folder needs no storageContainerSasToken.")
		}
		src, err := m.o.Target.Folder(path)
		if err != nil {
			return nil, err
		}
		return src, nil
	}
	container, folder, err := splitContainer(s.Container)
	if err != nil {
		return nil, err
	}
	if err := checkSignature(s.Signature, m.o.Clock.Now()); err != nil {
		return nil, err
	}
	src, err := azblob.New(azblob.Options{Container: container, Folder: folder, SAS: s.Signature, Client: m.o.Client})
	if err != nil {
		return nil, invalid("storageContainerUri: %v.", err)
	}
	return src, nil
}

// splitContainer takes the address of a folder in a container apart.
func splitContainer(address string) (container, folder string, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return "", "", invalid("storageContainerUri is not the address of a container: give https://account.blob.core.windows.net/container, or file:// and a backup folder of the instance.")
	}
	if u.RawQuery != "" {
		return "", "", invalid("storageContainerUri holds a query: the shared access signature belongs into storageContainerSasToken.")
	}
	words := strings.Split(strings.Trim(u.Path, "/"), "/")
	n := 1
	if net.ParseIP(u.Hostname()) != nil || u.Hostname() == "localhost" {
		n = 2 // an emulator's addresses begin with the account
	}
	if len(words) < n || words[n-1] == "" {
		return "", "", invalid("storageContainerUri names no container.")
	}
	if i := slices.IndexFunc(words[n-1:], func(w string) bool { return strings.EqualFold(w, "backup") || strings.EqualFold(w, "backups") }); i >= 0 {
		return "", "", invalid("The container or folder is called '%s': the Log Replay Service refuses the names backup and backups; give it another name.", words[n-1+i])
	}
	return u.Scheme + "://" + u.Host + "/" + strings.Join(words[:n], "/"), strings.Join(words[n:], "/"), nil
}

// checkSignature refuses a signature that does not exactly read and list the container now.
func checkSignature(sig string, now time.Time) error {
	if sig == "" {
		return invalid("storageContainerSasToken is missing.")
	}
	if strings.HasPrefix(sig, "?") {
		return invalid("storageContainerSasToken begins with a question mark: leave that out.")
	}
	q, err := url.ParseQuery(sig)
	if err != nil || q.Get("sig") == "" {
		return invalid("storageContainerSasToken is not a shared access signature.")
	}
	rights := strings.Split(q.Get("sp"), "")
	slices.Sort(rights)
	switch {
	case q.Get("si") != "":
		return invalid("The shared access signature uses a stored access policy (%s), which is not supported: make one with its own rights.", q.Get("si"))
	case q.Get("sr") != "c":
		return invalid("The shared access signature is not for a container (sr=%s): make one for the whole container.", q.Get("sr"))
	case strings.Join(rights, "") != "lr":
		return invalid("The shared access signature gives the rights '%s': it must give Read and List (rl) and no others.", q.Get("sp"))
	}
	if t, err := time.Parse(time.RFC3339, q.Get("se")); err == nil && !now.Before(t) {
		return invalid("The shared access signature expired at %s (UTC): make a new one.", t.UTC().Format(time.DateTime))
	}
	if t, err := time.Parse(time.RFC3339, q.Get("st")); err == nil && now.Before(t) {
		return invalid("The shared access signature is valid from %s (UTC) only: mind the time zone.", t.UTC().Format(time.DateTime))
	}
	return nil
}
