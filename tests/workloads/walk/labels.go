// SPDX-License-Identifier: Apache-2.0

//go:build !none

package main

import (
	"context"
	"runtime/pprof"
)

func inSpan(fn func()) {
	labels := pprof.Labels("span_id", "0123456789abcdef", "span_name", "walk", "trace_id",
		"00112233445566778899aabbccddeeff")
	pprof.Do(context.Background(), labels, func(context.Context) { fn() })
}
