package sqlclient

import (
	"errors"
	"testing"
)

// FuzzBrowserAnswer: whatever comes by UDP, an answer is read or refused, and ports are ports.
func FuzzBrowserAnswer(f *testing.F) {
	f.Add([]byte("\x05\x53\x00ServerName;ILSUNG1;InstanceName;YUKONSTD;IsClustered;No;Version;9.00.1399.06;tcp;57137;;"))
	f.Add([]byte("\x05\x00\x00"))
	f.Add([]byte("\x05\xff\xff;;;;InstanceName;;"))
	f.Fuzz(func(t *testing.T, p []byte) {
		all, err := parseBrowserAnswer(p, maxAllAnswer)
		if err != nil && !errors.Is(err, ErrBrowserAnswer) {
			t.Fatalf("an error of another kind: %v", err)
		}
		for _, i := range all {
			if i.Name == "" || i.Port < 0 || i.Port > 65535 {
				t.Fatalf("read %+v", i)
			}
		}
	})
}
