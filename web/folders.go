package web

import (
	"fmt"
	"path/filepath"
	"strings"

	"linkspan/migrate"
)

// Folders are where the files may lie that a spec names: whoever may post a spec could otherwise have any file of this
// machine sent to a server of theirs as a password.
type Folders struct {
	// Base is the folder against which relative paths are resolved; absolute.
	Base string
	// Secrets hold passwords, keys and certificates; Data are local shares and local storage. All absolute.
	Secrets, Data []string
}

// named is a path that a spec names.
type named struct {
	at, path string
	data     bool
}

// paths lists the files and folders of this machine that a spec names.
func paths(s migrate.Spec) []named {
	out := []named{
		{"source.ca", s.Source.CA, false}, {"source.passwordFile", s.Source.PasswordFile, false}, {"share.passwordFile", s.Share.PasswordFile, false},
		{"storage.keyFile", s.Storage.KeyFile, false}, {"storage.sasFile", s.Storage.SASFile, false}, {"storage.targetSasFile", s.Storage.TargetSAS, false},
		{"storage.folder", s.Storage.Folder, true},
		{"target.ca", s.Target.CA, false}, {"target.clientSecretFile", s.Target.ClientSecretFile, false},
		{"target.sql.ca", s.Target.SQL.CA, false}, {"target.sql.passwordFile", s.Target.SQL.PasswordFile, false},
	}
	local := func(at, path string) {
		if p, err := migrate.ParsePlace(path); err == nil && p.Local != "" {
			out = append(out, named{at, p.Local, true})
		}
	}
	local("share.path", s.Share.Path)
	for i, d := range s.Databases {
		local(fmt.Sprintf("databases[%d].path", i), d.Path)
	}
	return out
}

// check reads a spec and refuses paths outside of the folders, links followed. The error is migrate.Problems.
func (f Folders) check(text []byte) (migrate.Spec, error) {
	s, err := migrate.Parse(text)
	if err != nil {
		return s, err
	}
	var all migrate.Problems
	for _, n := range paths(s.Under(f.Base)) {
		if n.path == "" {
			continue
		}
		folders, key := f.Secrets, "secretFolders"
		if n.data {
			folders, key = f.Data, "dataFolders"
		}
		if !inside(n.path, folders) {
			all = append(all, &migrate.Problem{At: n.at, Text: "it is outside of the folders that this service may use: see " + key + " of its configuration"})
		}
	}
	if len(all) > 0 {
		return s, all
	}
	return s, nil
}

// inside reports whether a path lies in one of the folders, or is one.
func inside(path string, folders []string) bool {
	path = follow(path)
	for _, f := range folders {
		rel, err := filepath.Rel(follow(f), path)
		if err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			return true
		}
	}
	return false
}

// follow resolves the links of a path as far as it exists.
func follow(path string) string {
	path = filepath.Clean(path)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	dir, name := filepath.Split(path)
	if dir = filepath.Clean(dir); dir == path {
		return path
	}
	return filepath.Join(follow(dir), name)
}
