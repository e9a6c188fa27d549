// SPDX-License-Identifier: Apache-2.0

// Go that calls C, and C that calls Go, in turns.
//
//	chain-cgo [--cpu-seconds S]
//
// main.main → main.outer → cgo → c_outer → c_leaf, and … → c_outer → cgo → main.goLeaf, of which Go's
// own tables leave out what is C.
package main

/*
#include <stdint.h>

extern uint64_t goLeaf(uint64_t);

__attribute__((noipa, unused)) static uint64_t c_leaf(uint64_t x)
{
	for (int i = 0; i < 400000; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		__asm__ volatile("" : "+r"(x));
	}
	return x;
}

__attribute__((noipa, unused)) static uint64_t c_outer(uint64_t x, int back)
{
	return (back ? goLeaf(x) : c_leaf(x)) + 1;
}
*/
import "C"

import (
	"os"
	"strconv"
	"syscall"
)

//export goLeaf
func goLeaf(x C.uint64_t) C.uint64_t {
	for i := 0; i < 400000; i++ {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x
}

//go:noinline
func outer(x uint64, back int) uint64 {
	return uint64(C.c_outer(C.uint64_t(x), C.int(back))) + 1
}

func cpuSeconds() float64 {
	var r syscall.Rusage

	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}

func main() {
	seconds := 3.0
	if len(os.Args) > 2 {
		seconds, _ = strconv.ParseFloat(os.Args[2], 64)
	}
	for i := 0; cpuSeconds() < seconds; i++ {
		outer(uint64(i), i%2)
	}
}
