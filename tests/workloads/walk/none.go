// SPDX-License-Identifier: Apache-2.0

//go:build none

package main

func inSpan(fn func()) { fn() }
