package main

// This file watches the machine while a child measures real sockets: a row that somebody else
// disturbed is marked.

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	nap         = 5 * time.Millisecond
	lateNap     = 20.0                  // milliseconds by which the 99th of 100 naps may be late
	othersLimit = 0.25                  // of a core that other processes may use
	tick        = 10 * time.Millisecond // of /proc/stat
)

// machine is how the machine was during a task.
type machine struct {
	Lag50  float64 `json:"lag50"`  // milliseconds by which half of the 5 ms naps were late at most
	Lag99  float64 `json:"lag99"`  // and 99 of 100
	Others float64 `json:"others"` // cores that other processes used
}

// doubtful says whether others disturbed the task.
func (m machine) doubtful() bool { return m.Lag99 > lateNap || m.Others > othersLimit }

type eye struct {
	begin time.Time
	busy  time.Duration
	quit  chan struct{}
	late  chan []time.Duration
}

func watchMachine() *eye {
	e := &eye{begin: time.Now(), busy: busyTime(), quit: make(chan struct{}),
		late: make(chan []time.Duration)}
	go func() {
		var late []time.Duration
		for {
			select {
			case <-e.quit:
				e.late <- late
				return
			default:
				before := time.Now()
				time.Sleep(nap)
				late = append(late, time.Since(before)-nap)
			}
		}
	}()
	return e
}

// stop ends the watch; the child itself has used so much CPU.
func (e *eye) stop(child time.Duration) (m machine) {
	close(e.quit)
	late := <-e.late
	slices.Sort(late)
	if len(late) > 0 {
		m.Lag50 = late[len(late)/2].Seconds() * 1000
		m.Lag99 = late[len(late)*99/100].Seconds() * 1000
	}
	if e.busy > 0 {
		m.Others = max(0, (busyTime()-e.busy-child).Seconds()/time.Since(e.begin).Seconds())
	}
	return m
}

// busyTime is how long all cores together have worked or been kept from it since the machine
// started; 0 if that is not known.
func busyTime() (sum time.Duration) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	for i, f := range strings.Fields(string(line)) {
		// the name, idle, waiting for disks, what is counted twice
		if i == 0 || i == 4 || i == 5 || i > 8 {
			continue
		}
		v, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0
		}
		sum += time.Duration(v) * tick
	}
	return sum
}

// describeMachine says what the bench ran on.
func describeMachine() string {
	model := runtime.GOARCH
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if k, v, ok := strings.Cut(lines.Text(), ":"); ok &&
				strings.TrimSpace(k) == "model name" {
				model = strings.TrimSpace(v)
				break
			}
		}
	}
	kernel := runtime.GOOS
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		release, _, _ := strings.Cut(string(b), "-")
		kernel += " " + strings.TrimSpace(release)
	}
	return fmt.Sprintf("%d cores (%s), %s, %s", runtime.NumCPU(), model, kernel, runtime.Version())
}
