// SPDX-License-Identifier: Apache-2.0

//go:build cgo && plain
// +build cgo,plain

package main

// static int one(void) { return 1; }
import "C"

var _ = C.one()
