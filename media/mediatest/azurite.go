package mediatest

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"linkspan/internal/clock"
)

// AzuriteTB is the part of testing.TB that the emulator needs.
type AzuriteTB interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Cleanup(f func())
	Context() context.Context
	TempDir() string
}

// Azurite is a running emulator of Azure's blob storage.
type Azurite struct {
	// Address is the account's: http://127.0.0.1:port/account. Account and Key are its name and access key.
	Address, Account, Key string
}

// The account and key are nobody's.
const (
	azuriteAccount = "linkspan"
	azuriteKey     = "bGlua3NwYW4tdGVzdHMtb25seS1saW5rc3Bhbi10ZXN0cy1vbmx5LWxpbmtzcGFuLXRlc3RzLW9ubHktMDE="
)

// StartAzurite runs the emulator until the end of the test, which fails when it is not installed.
func StartAzurite(t AzuriteTB) *Azurite {
	t.Helper()
	c := exec.CommandContext(context.WithoutCancel(t.Context()), azuriteProgram(t), "--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence",
		"--skipApiVersionCheck", "--disableTelemetry")
	c.Env = append(os.Environ(), "AZURITE_ACCOUNTS="+azuriteAccount+":"+azuriteKey)
	c.Dir = t.TempDir()
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	stopped, address := make(chan struct{}), make(chan string, 1)
	t.Cleanup(func() {
		_ = c.Process.Kill()
		<-stopped
		_ = c.Wait()
	})
	go func() {
		defer close(stopped)
		for s := bufio.NewScanner(out); s.Scan(); {
			if _, a, ok := strings.Cut(s.Text(), "listens on "); ok {
				select {
				case address <- a:
				default:
				}
			}
		}
	}()
	late, stop := clock.System.After(30 * time.Second)
	defer stop()
	select {
	case a := <-address:
		return &Azurite{Address: strings.TrimSpace(a) + "/" + azuriteAccount, Account: azuriteAccount, Key: azuriteKey}
	case <-late:
		t.Fatal("azurite does not start")
		return nil
	}
}

// azuriteProgram finds the program below the module's folder.
func azuriteProgram(t AzuriteTB) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		up := filepath.Dir(dir)
		if up == dir {
			err = errors.New("no go.mod above the test")
		}
		dir = up
	}
	bin := filepath.Join(dir, ".cache", "azurite", "node_modules", ".bin", "azurite-blob")
	if err == nil {
		_, err = os.Stat(bin)
	}
	if err != nil {
		t.Fatalf("azurite is not installed (scripts/deps.sh installs it): %v", err)
	}
	return bin
}

// Container makes a container and a shared access signature for it, without a leading question mark.
func (a *Azurite) Container(t AzuriteTB, name string, p sas.ContainerPermissions) (client *container.Client, address, signature string) {
	t.Helper()
	address = a.Address + "/" + name
	cred, err := blob.NewSharedKeyCredential(a.Account, a.Key)
	if err == nil {
		client, err = container.NewClientWithSharedKeyCredential(address, cred, nil)
	}
	if err == nil {
		_, err = client.Create(context.WithoutCancel(t.Context()), nil)
	}
	signed := ""
	if err == nil {
		signed, err = client.GetSASURL(p, clock.System.Now().Add(time.Hour), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	_, signature, _ = strings.Cut(signed, "?")
	return client, address, signature
}

// Token is a token of nobody's, for services that do not look at it.
type Token string

// GetToken implements azcore.TokenCredential.
func (t Token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(t), ExpiresOn: clock.System.Now().Add(time.Hour)}, nil
}
