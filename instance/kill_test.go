package instance_test

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// TestKillEachOther has two sessions kill each other at the same time: neither may wait for the other's request, which
// waits for it.
func TestKillEachOther(t *testing.T) {
	t.Parallel()
	in := open(t, options())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 200 {
			a, err := enter(in)
			if err != nil {
				t.Error(err)
				return
			}
			b, err := enter(in)
			if err != nil {
				t.Error(err)
				return
			}
			var both sync.WaitGroup
			both.Go(func() { batch(a, fmt.Sprintf("KILL %d", b.ID())) })
			both.Go(func() { batch(b, fmt.Sprintf("KILL %d", a.ID())) })
			both.Wait()
			_, _ = a.Close(), b.Close()
		}
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("two sessions that kill each other wait for ever")
	}
}

// TestEvictWhoWaits ends sessions that wait for the very statement that ends them.
func TestEvictWhoWaits(t *testing.T) {
	t.Parallel()
	in := open(t, options())
	must(t, logIn(t, in), "CREATE DATABASE d")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 50 {
			var both sync.WaitGroup
			for range 3 {
				s, err := enter(in)
				if err != nil {
					t.Error(err)
					return
				}
				batch(s, "USE d")
				both.Go(func() {
					batch(s, "ALTER DATABASE d SET SINGLE_USER WITH ROLLBACK IMMEDIATE; ALTER DATABASE d SET MULTI_USER")
					_ = s.Close()
				})
			}
			both.Wait()
			s, err := enter(in)
			if err != nil {
				t.Error(err)
				return
			}
			batch(s, "ALTER DATABASE d SET MULTI_USER")
			_ = s.Close()
		}
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("sessions that end each other wait for ever")
	}
}
