// SPDX-License-Identifier: Apache-2.0

// Spends CPU time inside and outside of spans whose ids are pprof labels. Goroutines move between
// threads as they like, so the truth is by function: each worker has a function of its own. With -tags
// plain the labels are set by hand, for any Go; otherwise by Grafana's otel-profiling-go, from spans
// of OpenTelemetry's SDK. Usage: golabels SECONDS LOG
package main

import (
	"encoding/json"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const warmUp = 400 * time.Millisecond // a service has run for a while when its first request comes

var sink [4]uint64

func monotonic() int64 {
	const clockMonotonic = 1
	var ts syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}

// Steps that other goroutines may get in between.
func spin(i int, d time.Duration) {
	x := sink[i]
	for end := time.Now().Add(d); time.Now().Before(end); {
		for j := 0; j < 2000; j++ {
			x = x*6364136223846793005 + 1
		}
	}
	sink[i] = x
}

//go:noinline
func workerA(d time.Duration) { spin(0, d); sink[0]++ }

//go:noinline
func workerB(d time.Duration) { spin(1, d); sink[1]++ }

//go:noinline
func workerC(d time.Duration) { spin(2, d); sink[2]++ }

//go:noinline
func workerD(d time.Duration) { spin(3, d); sink[3]++ }

type entry struct {
	Worker  string `json:"worker"`
	SpanID  string `json:"span_id"`
	TraceID string `json:"trace_id"`
	Outer0  int64  `json:"outer_start"`
	Inner0  int64  `json:"inner_start"`
	Inner1  int64  `json:"inner_end"`
	Outer1  int64  `json:"outer_end"`
}

func work(name string, fn func(time.Duration), until time.Time, log *[]entry) {
	lengths := []time.Duration{50 * time.Microsecond, time.Millisecond, 20 * time.Millisecond,
		60 * time.Millisecond}

	for i := 0; time.Now().Before(until); i++ {
		e := entry{Worker: name, Outer0: monotonic()}
		serve(name, &e, func() {
			e.Inner0 = monotonic()
			fn(lengths[i%len(lengths)])
			e.Inner1 = monotonic()
		})
		e.Outer1 = monotonic()
		*log = append(*log, e)
		fn(200 * time.Microsecond)
		if i%8 == 0 {
			runtime.Gosched()
		}
	}
}

func main() {
	seconds, _ := strconv.ParseFloat(os.Args[1], 64)
	workers := map[string]func(time.Duration){"main.workerA": workerA, "main.workerB": workerB,
		"main.workerC": workerC, "main.workerD": workerD}
	logs := make([][]entry, len(workers))
	var wait sync.WaitGroup

	workerA(warmUp)
	until := time.Now().Add(time.Duration(seconds * 1e9))
	i := 0
	for name, fn := range workers {
		wait.Add(1)
		go func(name string, fn func(time.Duration), log *[]entry) {
			defer wait.Done()
			work(name, fn, until, log)
		}(name, fn, &logs[i])
		i++
	}
	wait.Wait()
	file, err := os.Create(os.Args[2])
	if err != nil {
		panic(err)
	}
	defer file.Close()
	out := json.NewEncoder(file)
	for _, log := range logs {
		for _, e := range log {
			out.Encode(e)
		}
	}
}
