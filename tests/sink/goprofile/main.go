// SPDX-License-Identifier: Apache-2.0

// Goprofile CPU HEAP writes two profiles of itself as Go's runtime makes them: a foreign writer for
// the tests of our reader.
package main

import (
	"context"
	"log"
	"os"
	"runtime/pprof"
	"time"
)

var kept [][]byte

func spin(d time.Duration) {
	for start := time.Now(); time.Since(start) < d; {
	}
}

func create(path string) *os.File {
	f, err := os.Create(path)
	if err != nil {
		log.Fatal(err)
	}
	return f
}

func main() {
	cpu, heap := create(os.Args[1]), create(os.Args[2])
	if err := pprof.StartCPUProfile(cpu); err != nil {
		log.Fatal(err)
	}
	pprof.Do(context.Background(), pprof.Labels("span_id", "00f067aa0ba902b7"),
		func(context.Context) { spin(250 * time.Millisecond) })
	spin(250 * time.Millisecond)
	pprof.StopCPUProfile()

	for range 64 {
		kept = append(kept, make([]byte, 1<<20))
	}
	if err := pprof.Lookup("heap").WriteTo(heap, 0); err != nil {
		log.Fatal(err)
	}
	if cpu.Close() != nil || heap.Close() != nil {
		log.Fatal("cannot write")
	}
}
