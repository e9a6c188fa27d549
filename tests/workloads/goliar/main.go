// SPDX-License-Identifier: Apache-2.0

// What liar.c is, for the labels of goroutines: they are given memory that Go knows nothing of, in
// which words are lies, or are made so by another thread. Usage: goliar lying|racing SECONDS
package main

import (
	"fmt"
	"math/rand"
	"os"
	"runtime"
	_ "runtime/pprof"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

//go:linkname setLabels runtime/pprof.runtime_setProfLabel
func setLabels(labels unsafe.Pointer)

// Each node is in a page of its own.
const (
	page     = 4096
	start    = 64
	nodeList = 0 // address, length and capacity of the pairs
	nodeAll  = 1 // address and length of each string
	nodeText = 2
	texts    = 6
	known    = 16 // contexts
)

var pages, hole []byte // the second page of the hole is not mapped
var sink uint64

func address(node int) *uint64 { return (*uint64)(unsafe.Pointer(&pages[node*page+start])) }

func words(node, n int) []uint64 { return unsafe.Slice(address(node), n) }

func number(p *uint64) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }

func build(context int) {
	span := fmt.Sprintf("5afe5afe%08x", context)
	all := words(nodeAll, 2*texts)
	for i, s := range [texts]string{"k", fmt.Sprint("v", context), "span_id", span, "trace_id", span + span} {
		copy(pages[(nodeText+i)*page+start:], s)
		all[2*i], all[2*i+1] = number(address(nodeText+i)), uint64(len(s))
	}
	copy(words(nodeList, 3), []uint64{number(&all[0]), texts / 2, texts / 2})
}

// The returned function takes it back.
func tell(r *rand.Rand) func() {
	end := number((*uint64)(unsafe.Pointer(&hole[page-8]))) + 8
	lies := [...]uint64{0, 1, 1<<64 - 1, 0xffffffff81000000, 0x4141414141414141, end, end - 4, 1 << 31, 1 << 62,
		r.Uint64(), number(address(nodeList)), number(address(nodeAll))}
	at := &words(nodeList, 3)[r.Intn(3)]
	if r.Intn(2) == 0 {
		at = &words(nodeAll, 2*texts)[r.Intn(2*texts)]
	}
	was := *at
	*at = lies[r.Intn(len(lies))]
	return func() { *at = was }
}

//go:noinline
func spin(steps int) {
	x := sink
	for ; steps > 0; steps-- {
		x = x*6364136223846793005 + 1
	}
	sink = x
}

func lie(until time.Time) {
	r := rand.New(rand.NewSource(1))
	for n := 0; time.Now().Before(until); n++ {
		build(n % known)
		first := tell(r)
		second := tell(r)
		setLabels(unsafe.Pointer(address(nodeList)))
		spin(20000)
		setLabels(nil)
		second()
		first()
	}
}

func scribble(until time.Time) {
	r := rand.New(rand.NewSource(2))
	setLabels(nil)
	for time.Now().Before(until) {
		back := tell(r)
		spin(100)
		back()
		spin(100)
	}
}

func race(until time.Time) {
	runtime.LockOSThread()
	build(0)
	go scribble(until)
	setLabels(unsafe.Pointer(address(nodeList)))
	for time.Now().Before(until) {
		spin(20000)
	}
	setLabels(nil)
}

func mapped(n int) []byte {
	p, err := syscall.Mmap(-1, 0, n*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		panic(err)
	}
	return p
}

func main() {
	seconds, _ := strconv.ParseFloat(os.Args[2], 64)
	pages, hole = mapped(nodeText+texts), mapped(2)
	syscall.RawSyscall(syscall.SYS_MUNMAP, uintptr(unsafe.Pointer(&hole[page])), page, 0)
	time.Sleep(200 * time.Millisecond)
	until := time.Now().Add(time.Duration(seconds * 1e9))
	if os.Args[1] == "racing" {
		race(until)
	} else {
		lie(until)
	}
}
