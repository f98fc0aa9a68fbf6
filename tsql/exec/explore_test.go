package exec_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestExplore(t *testing.T) {
	f := os.Getenv("EXPLORE")
	if f == "" {
		t.Skip()
	}
	src, err := os.ReadFile(f)
	must(t, err)
	s := newServer(t).session(t, 51)
	for _, b := range strings.Split(string(src), "\nGO\n") {
		fmt.Println(">>", b)
		fmt.Println(run(t, s, b))
	}
}
