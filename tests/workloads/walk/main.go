// SPDX-License-Identifier: Apache-2.0

// Walks over MIB of memory in each of two goroutines: for measuring what a profiler costs whose data
// has left the caches since its last sample. Usage: walk MIB
package main

import (
	"os"
	"strconv"
	"sync"
)

var sink [2]int

func walk(i, mib int) {
	memory := make([]int, mib<<20/8)
	for sum := 0; ; sink[i] = sum {
		for at := 0; at < len(memory); at += 8 {
			memory[at]++
			sum += memory[at]
		}
	}
}

func main() {
	mib, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	var wait sync.WaitGroup
	for i := range sink {
		wait.Add(1)
		go inSpan(func() { walk(i, mib) })
	}
	wait.Wait()
}
