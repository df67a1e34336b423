// Command pgrun runs a command beside a PostgreSQL server, so that all packages of one test run share it:
//
//	go run ./internal/pgtest/pgrun go test ./...
//
// It starts a server as package pgtest does, tells the command of it in SEPTUM_POSTGRES_URL, and ends it with the
// command, whose exit code it returns. On a server that was in SEPTUM_POSTGRES_URL before, it drops what killed test
// processes left there.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/septum-go/septum/internal/pgtest"
)

// startTimeout leaves time for a download or the pull of an image.
const startTimeout = 10 * time.Minute

func main() { os.Exit(run(os.Args[1:])) }

func run(command []string) int {
	if len(command) == 0 {
		fmt.Fprintln(os.Stderr, "usage: pgrun command [argument …]")
		return 2
	}
	// Until the command runs, Ctrl-C ends this process, and the server's guardian does the rest.
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	server, err := pgtest.Start(ctx, pgtest.Options{Log: func(line string) { fmt.Fprintln(os.Stderr, "pgrun:", line) }})
	if err != nil {
		fmt.Fprintln(os.Stderr, "pgrun:", err)
		return 2
	}
	code := beside(server, command)
	if err := errors.Join(server.Sweep(context.Background()), server.Close()); err != nil {
		fmt.Fprintln(os.Stderr, "pgrun:", err)
		code = max(code, 1)
	}
	return code
}

// beside runs the command to its end and gives its exit code.
func beside(server *pgtest.Server, command []string) int {
	// Ctrl-C goes to the command as well; it ends the server by ending the command.
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupted)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), pgtest.EnvSource+"="+string(pgtest.URL), pgtest.EnvURL+"="+server.URL())
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "pgrun:", err)
		return 2
	}
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-interrupted:
				_ = cmd.Process.Signal(s) // a second one when it came from the terminal, which does no harm
			case <-ended:
				return
			}
		}
	}()
	err := cmd.Wait()
	close(ended)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode()
	default: // killed by a signal
		fmt.Fprintln(os.Stderr, "pgrun:", err)
		return 1
	}
}
