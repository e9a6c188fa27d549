// SPDX-License-Identifier: Apache-2.0
/*
 * Walks over MIB of memory in a span of Datadog's tracer, or in none: for measuring what a profiler
 * costs whose data has left the caches since its last sample. Usage: walk.js MIB span|none
 */
'use strict'

const tracer = require('dd-trace').init()

const memory = new Int32Array(Number(process.argv[2]) << 18)

function walk () {
  for (let sum = 0; ; memory[0] = sum) {
    for (let at = 0; at < memory.length; at += 16) sum = (sum + ++memory[at]) | 0
  }
}

if (process.argv[3] === 'none') setTimeout(walk, 100)
else setTimeout(() => tracer.trace('walk', walk), 100)
