// SPDX-License-Identifier: Apache-2.0

// The chain of chain.c in Go: main → outer → middle → leaf.
//
//	chain-go long|goroutines [--cpu-seconds S]
//
// goroutines: eight of them, worker → outer → …, that make garbage and hand a number around.
package main

import (
	"os"
	"strconv"
	"syscall"
)

const (
	steps      = 400000
	goroutines = 8
)

var sink [goroutines][]uint64

//go:noinline
func leaf(x uint64, n int) uint64 {
	for i := 0; i < n; i++ {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x
}

//go:noinline
func middle(x uint64, n int) uint64 {
	var room [40]uint64

	room[x%40] = leaf(x, n)
	return room[(x+1)%40] + room[x%40]
}

//go:noinline
func outer(x uint64, n int) uint64 {
	return middle(x+1, n) + 1
}

//go:noinline
func worker(id int, in, out chan uint64, seconds float64) {
	for x := range in {
		sink[id] = make([]uint64, 10000)
		sink[id][0] = outer(x, steps/20)
		if cpuSeconds() > seconds {
			break
		}
		out <- sink[id][0]
	}
	close(out)
}

func ring(seconds float64) {
	var channels [goroutines]chan uint64

	for i := range channels {
		channels[i] = make(chan uint64, 1)
	}
	for i := range channels {
		if i > 0 {
			go worker(i, channels[i], channels[(i+1)%goroutines], seconds)
		}
	}
	channels[0] <- 1
	channels[4] <- 1
	worker(0, channels[0], channels[1], seconds)
}

func cpuSeconds() float64 {
	var r syscall.Rusage

	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}

func main() {
	seconds := 3.0
	if len(os.Args) > 3 {
		seconds, _ = strconv.ParseFloat(os.Args[3], 64)
	}
	if len(os.Args) > 1 && os.Args[1] == "goroutines" {
		ring(seconds)
		return
	}
	for x := uint64(1); cpuSeconds() < seconds; {
		x = outer(x, steps)
	}
}
