// Actor stands in for the worker where a test is about what the controller makes of a run, and not
// about the run. It plays the script in /source/script, one line after the other:
//
//	word JSON     the worker's last word so far; RUN in it becomes the run's id
//	await NAME    waits until /source/NAME exists
//	memory MIB    uses that much memory
//	exit CODE     ends
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		os.Exit(143)
	}()
	if _, err := os.ReadFile("/backstay/run/run-spec.json"); err != nil {
		fail(err)
	}
	script, err := os.ReadFile("/source/script")
	if os.IsNotExist(err) {
		// What has no volume has its script among the keys of its Secret.
		script, err = os.ReadFile("/backstay/credentials/script")
	}
	if err != nil {
		fail(err)
	}
	for line := range strings.Lines(string(script)) {
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		act(verb, rest)
	}
}

func act(verb, rest string) {
	switch verb {
	case "word":
		word := strings.ReplaceAll(rest, "RUN", os.Getenv("BACKSTAY_RUN_ID"))
		if err := os.WriteFile("/dev/termination-log", []byte(word), 0o644); err != nil {
			fail(err)
		}
	case "await":
		for {
			if _, err := os.Stat("/source/" + rest); err == nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	case "memory":
		hold := make([]byte, number(rest)<<20)
		for i := 0; i < len(hold); i += 4096 {
			hold[i] = 1
		}
		fmt.Println(len(hold), "bytes held")
	case "exit":
		os.Exit(number(rest))
	case "":
	default:
		fail(fmt.Errorf("no such verb: %s", verb))
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		fail(err)
	}
	return n
}

func fail(err error) {
	fmt.Println(err)
	os.Exit(1)
}
