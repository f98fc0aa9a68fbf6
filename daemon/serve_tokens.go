package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"linkspan/internal/fsx"
	"linkspan/internal/smallfile"
	"linkspan/web"
)

// TokensFile is the file with the tokens' hashes. c MUST have a State.
func (c ServeConfig) TokensFile() string {
	c.fillDefaults()
	return c.Tokens
}

// ListTokens reads a tokens' file; none is no tokens.
func ListTokens(file string) ([]web.Token, error) {
	data, err := smallfile.Secret(fsx.OS{}, file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := web.ParseTokens(data)
	if err != nil {
		return nil, fmt.Errorf("tokens' file %s: %w", file, err)
	}
	return all, nil
}

// AddToken makes a token and gives its secret, which is stored nowhere. It is good for life, or for ever when that is 0. A
// running service takes it within a second.
func AddToken(file, name string, role web.Role, life time.Duration) (secret string, err error) {
	err = changeTokens(file, func(all []web.Token) ([]web.Token, error) {
		if slices.ContainsFunc(all, func(t web.Token) bool { return strings.EqualFold(t.Name, name) }) {
			return nil, fmt.Errorf("there is a token %s already: remove it first, or choose another name", name)
		}
		secret = web.NewSecret()
		t := web.Token{Name: name, Role: role, Hash: web.HashSecret(secret), Created: now().UTC().Truncate(time.Second)}
		if life > 0 {
			t.Expires = t.Created.Add(life)
		}
		return append(all, t), nil
	})
	return secret, err
}

// RemoveToken takes a token out. A running service refuses it within a second.
func RemoveToken(file, name string) error {
	return changeTokens(file, func(all []web.Token) ([]web.Token, error) {
		i := slices.IndexFunc(all, func(t web.Token) bool { return strings.EqualFold(t.Name, name) })
		if i < 0 {
			return nil, fmt.Errorf("there is no token %s", name)
		}
		return slices.Delete(all, i, i+1), nil
	})
}

// changeTokens reads, changes and writes a tokens' file; one process at a time.
func changeTokens(file string, change func([]web.Token) ([]web.Token, error)) (err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	lock, err := fsx.OS{}.Lock(file + ".lock")
	if err != nil {
		return fmt.Errorf("tokens' file %s is being changed by another command, try again: %w", file, err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	all, err := ListTokens(file)
	if err != nil {
		return err
	}
	if all, err = change(all); err != nil {
		return err
	}
	return writeTokens(file, all)
}

func writeTokens(file string, all []web.Token) error {
	data, err := web.FormatTokens(all)
	if err != nil {
		return err
	}
	return writeSecret(file, data)
}
