// A step-ca of Debian's packages: the library, and no more than it takes to run it.
package main

import (
	"fmt"
	"os"

	"github.com/smallstep/certificates/authority/config"
	"github.com/smallstep/certificates/ca"
)

func run(path string) error {
	loaded, err := config.LoadConfiguration(path)
	if err != nil {
		return err
	}
	server, err := ca.New(loaded)
	if err != nil {
		return err
	}
	return server.Run()
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: step-ca CONFIG")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
