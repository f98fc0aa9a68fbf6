// Command linkspan keeps a read-only copy of a SQL Server database on a managed instance and moves it there.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"linkspan/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
