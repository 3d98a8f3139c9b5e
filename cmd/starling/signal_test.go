//go:build unix

package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSignals runs an agent as a process of its own: SIGHUP has it read its keys again, and SIGTERM
// has it leave and end well.
func TestSignals(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys")
	_, key, _ := cli(nil, "", "keygen")
	if err := os.WriteFile(keys, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), runInstead+"=agent --name a --bind 127.0.0.1:0 --api "+
		"127.0.0.1:0 --key-file "+keys)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines, said := bufio.NewScanner(out), ""
	hear := func(word string) {
		t.Helper()
		for lines.Scan() {
			if said += lines.Text() + "\n"; strings.Contains(lines.Text(), word) {
				return
			}
		}
		t.Fatalf("the agent never said %q, but\n%s", word, said)
	}
	hear("in the cluster") // signals are taken by now
	_, other, _ := cli(nil, "", "keygen")
	if err := os.WriteFile(keys, []byte(key+other), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Signal(syscall.SIGHUP)
	hear("keys")
	cmd.Process.Signal(syscall.SIGTERM)
	for lines.Scan() {
		said += lines.Text() + "\n"
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(said, "stopped") {
		t.Errorf("after SIGTERM: %v\n%s", err, said)
	}
}
