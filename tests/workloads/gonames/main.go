// SPDX-License-Identifier: Apache-2.0

// What Go's runtime says of places in this very program: reads addresses, a hexadecimal number a
// line, and prints for each a line of FUNCTION<TAB>FILE:LINE, of what was inlined there.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
)

func main() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		pc, err := strconv.ParseUint(in.Text(), 16, 64)
		if err != nil {
			panic(err)
		}
		// It takes return addresses.
		frame, _ := runtime.CallersFrames([]uintptr{uintptr(pc) + 1}).Next()
		fmt.Printf("%s\t%s:%d\n", frame.Function, frame.File, frame.Line)
	}
}
