package azblob_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"linkspan/media/azblob"
	"linkspan/media/mediatest"
)

func fill(t *testing.T, c *container.Client) {
	t.Helper()
	ctx := context.Background()
	for name, b := range mediatest.Contents() {
		if _, err := c.NewBlockBlobClient("nightly/"+name).UploadBuffer(ctx, b, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.NewBlockBlobClient("nightly2/other.bak").UploadBuffer(ctx, []byte("other"), nil); err != nil {
		t.Fatal(err)
	}
}

func TestContainer(t *testing.T) {
	t.Parallel()
	a := mediatest.StartAzurite(t)
	account, key := a.Account, a.Key
	c, address, token := a.Container(t, "store", sas.ContainerPermissions{Read: true, List: true})
	fill(t, c)
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
	replaced(t, a, c, address)
	refused(t, address, token)
}

// replaced makes sure that a blob that changes while it is read gives an error, not a mixture.
func replaced(t *testing.T, a *mediatest.Azurite, c *container.Client, address string) {
	t.Helper()
	ctx := context.Background()
	src, err := azblob.New(azblob.Options{Container: address, Account: a.Account, Key: a.Key})
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

// A blob is there as a whole after Commit, and not at all before.
func TestUpload(t *testing.T) {
	t.Parallel()
	a := mediatest.StartAzurite(t)
	_, address, token := a.Container(t, "store", sas.ContainerPermissions{Read: true, List: true, Write: true, Create: true})
	src, err := azblob.New(azblob.Options{Container: address, SAS: token})
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte("0123456789abcdef"), 20<<20/16+3)
	up := src.Create(t.Context(), "dir/a.bak")
	for p := want; len(p) > 0; {
		n := min(len(p), 700_001)
		if _, err := up.Write(p[:n]); err != nil {
			t.Fatal(err)
		}
		p = p[n:]
	}
	if _, err := src.Open(t.Context(), "dir/a.bak"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before Commit the blob gave %v", err)
	}
	if err := up.Commit(); err != nil {
		t.Fatal(err)
	}
	up.Abort()
	f, err := src.Open(t.Context(), "dir/a.bak")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := make([]byte, f.Size())
	if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes are not those written: %v", len(got), err)
	}
	gone := src.Create(t.Context(), "b.bak")
	if _, err := gone.Write(want); err != nil {
		t.Fatal(err)
	}
	gone.Abort()
	if _, err := src.Open(t.Context(), "b.bak"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Abort the blob gave %v", err)
	}
}
