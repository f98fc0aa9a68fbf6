package daemon

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// sqlCredentials is the content of an instance's credentials file.
type sqlCredentials struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// armCredentials is the content of the ARM endpoint's credentials file.
type armCredentials struct {
	Tenant       string `json:"tenant"`
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
}

func freshSQL() (sqlCredentials, error) {
	p, err := randomSecret()
	return sqlCredentials{User: "sa", Password: p}, err
}

func freshARM(c *ARMConfig) (armCredentials, error) {
	s, err := randomSecret()
	return armCredentials{Tenant: c.Tenant, ClientID: c.ClientID, ClientSecret: s}, err
}

// openSecret reads the JSON file into v, or, where it does not exist, stores what fresh gives.
func openSecret[T any](file string, fresh func() (T, error)) (T, error) {
	var v T
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if v, err = fresh(); err != nil {
			return v, err
		}
		if b, err = json.MarshalIndent(v, "", "  "); err != nil {
			return v, err
		}
		return v, writeSecret(file, append(b, '\n'))
	}
	if err != nil {
		return v, fmt.Errorf("read credentials: %w", err)
	}
	if err := checkPrivate(file); err != nil {
		return v, err
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return v, fmt.Errorf("credentials file %s is not valid JSON", file) // the parser's error could quote the secret
	}
	return v, nil
}

// checkPrivate refuses a secrets file that others than its owner can read.
func checkPrivate(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return fmt.Errorf("%s has mode %04o: others could read the secrets in it; run chmod 600 %s", file, mode, file)
	}
	return nil
}

// writeSecret writes a file that only its owner can read, in one step.
func writeSecret(file string, content []byte) error { return writeWhole(file, content, 0o600) }

// writeWhole writes a file so that a crash leaves all of it or nothing.
func writeWhole(file string, content []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".secret-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(content)
	if err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

// randomSecret is 24 random bytes in base64url, with the character classes that password policies ask for.
func randomSecret() (string, error) {
	b := make([]byte, 24)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("make a password: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b) + "-Aa1", nil
}
