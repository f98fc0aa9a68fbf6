package main

import (
	"context"
	"fmt"
	"os"
)

// stage takes the place of a test for the parts that tests start: file server, storage emulator.
type stage struct {
	ctx     context.Context
	dir     string
	n       int
	cleanup []func()
}

// stageError is what Fatal leaves the stage with.
type stageError struct{ text string }

// perform runs what needs a stage; what it started is ended when it returns.
func (b *bench) perform(ctx context.Context, fn func(s *stage) error) (err error) {
	s := &stage{ctx: ctx, dir: b.dir}
	defer func() {
		for i := len(s.cleanup) - 1; i >= 0; i-- {
			s.cleanup[i]()
		}
		if r := recover(); r != nil {
			failed, ok := r.(stageError)
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("start the stage: %s", failed.text)
		}
	}()
	return fn(s)
}

func (s *stage) Helper()                           {}
func (s *stage) Fatal(args ...any)                 { panic(stageError{fmt.Sprint(args...)}) }
func (s *stage) Fatalf(format string, args ...any) { panic(stageError{fmt.Sprintf(format, args...)}) }
func (s *stage) Cleanup(f func())                  { s.cleanup = append(s.cleanup, f) }
func (s *stage) Context() context.Context          { return s.ctx }
func (s *stage) TempDir() string {
	s.n++
	dir, err := os.MkdirTemp(s.dir, "stage-")
	if err != nil {
		s.Fatal(err)
	}
	return dir
}
