package azblob_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"linkspan/media/azblob"
	"linkspan/media/mediatest"
)

// The emulator's own account.
const (
	account = "backups1"
	key     = "c2VjcmV0IG9mIHRoZSB0ZXN0cyBvbmx5LCAzMiBieXRlcyE="
)

// startAzurite runs the blob emulator and gives the address of its service.
func startAzurite(t *testing.T) string {
	t.Helper()
	bin, err := filepath.Abs(filepath.Join("..", "..", ".cache", "azurite", "node_modules", ".bin", "azurite-blob"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(bin); err != nil {
		t.Fatal("azurite is not installed (scripts/deps.sh installs it)")
	}
	c := exec.CommandContext(t.Context(), bin, "--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry")
	c.Env = append(os.Environ(), "AZURITE_ACCOUNTS="+account+":"+key)
	c.Dir = t.TempDir()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	t.Cleanup(func() {
		_ = c.Process.Kill()
		<-stopped
		_ = c.Wait()
	})
	address := make(chan string, 1)
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
	select {
	case a := <-address:
		return a + "/" + account
	case <-time.After(30 * time.Second):
		t.Fatal("azurite does not start")
		return ""
	}
}

func fill(t *testing.T, address string) *container.Client {
	t.Helper()
	cred, err := blob.NewSharedKeyCredential(account, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := container.NewClientWithSharedKeyCredential(address, cred, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, err := c.Create(ctx, nil); err != nil {
		t.Fatal(err)
	}
	for name, b := range mediatest.Contents() {
		if _, err := c.NewBlockBlobClient("nightly/"+name).UploadBuffer(ctx, b, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.NewBlockBlobClient("nightly2/other.bak").UploadBuffer(ctx, []byte("other"), nil); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestContainer(t *testing.T) {
	t.Parallel()
	address := startAzurite(t) + "/store"
	c := fill(t, address)
	signed, err := c.GetSASURL(sas.ContainerPermissions{Read: true, List: true}, time.Now().Add(time.Hour), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, token, _ := strings.Cut(signed, "?")
	for name, o := range map[string]azblob.Options{
		"key": {Account: account, Key: key},
		"sas": {SAS: "?" + token},
	} {
		o.Container, o.Folder = address, "nightly"
		src, err := azblob.New(o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		mediatest.Exercise(t, src)
	}
	replaced(t, c, address)
	refused(t, address, token)
}

// replaced makes sure that a blob that changes while it is read gives an error, not a mixture.
func replaced(t *testing.T, c *container.Client, address string) {
	t.Helper()
	ctx := context.Background()
	src, err := azblob.New(azblob.Options{Container: address, Account: account, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	f, err := src.Open(ctx, "nightly2/other.bak")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.NewBlockBlobClient("nightly2/other.bak").UploadBuffer(ctx, []byte("OTHER"), nil); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	if n, err := f.ReadAt(b, 0); err == nil || bytes.Equal(b, []byte("OTHER")) {
		t.Errorf("a replaced blob reads %d bytes %q: %v", n, b, err)
	}
}

func refused(t *testing.T, address, token string) {
	t.Helper()
	ctx := context.Background()
	bad := strings.Replace(token, "sig=", "sig=AAAA", 1)
	src, err := azblob.New(azblob.Options{Container: address, SAS: bad})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = src.Open(ctx, "nightly/a.bak"); !errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "sig=") {
		t.Errorf("a bad signature: %v", err)
	}
	for address, says := range map[string]string{"": "not of the form", "https://x.blob.core.windows.net": "not of the form",
		"http://example.com/backups": "must begin with https", "https://x.blob.core.windows.net/c?sv=1&sig=secret": "through the environment"} {
		if _, err := azblob.New(azblob.Options{Container: address}); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", address, err)
		}
	}
}
