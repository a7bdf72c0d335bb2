// Swaprun asks vision-language models every question twice, with the two objects swapped, and studies how
// their hidden states differ, block by block. See README.md.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"swaprun/runner/cli"
)

func main() {
	// The first interrupt ends the run after the query in flight; a second one kills at once, which loses no more.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Main(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
