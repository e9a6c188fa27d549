// SPDX-License-Identifier: Apache-2.0
/*
 * Asynchronous tasks of one thread, each in spans of Datadog's tracer, take turns at spending CPU time.
 * Logs each turn: between these two moments the thread was in this span, or in none.
 * Usage: writer.js SECONDS LOG
 */
'use strict'

const fs = require('fs')
const tracer = require('dd-trace').init()

const TASKS = 5
const TURN_US = [50, 300, 2000, 20000]
const WARM_UP_MS = 500
const [seconds, path] = [Number(process.argv[2]), process.argv[3]]
const log = []

const now = () => process.hrtime.bigint()
const pause = () => new Promise(resolve => setImmediate(resolve))
let sink = 0

function churn (us) {
  const end = now() + BigInt(us * 1000)
  while (now() < end) {
    for (let i = 0; i < 500; i++) sink = (sink * 31 + i) | 0
  }
}

function turn (span, us) {
  const start = now()
  churn(us)
  log.push({
    start: Number(start),
    end: Number(now()),
    span_id: span ? span.context().toSpanId(true).padStart(16, '0') : null,
    trace_id: span ? span.context().toTraceId(true).padStart(32, '0') : null
  })
}

async function serve (span, i) {
  for (let n = 0; n < 4; n++) {
    turn(span, TURN_US[(i + n) % TURN_US.length])
    await pause()
  }
}

async function task (i, until) {
  for (let n = i; now() < until; n++) {
    await tracer.trace('serve', span => serve(span, n))
    turn(null, 200)
    await pause()
  }
}

async function main () {
  await tracer.trace('first', async () => { await pause() }) // publishes
  churn(WARM_UP_MS * 1000)
  await pause()
  const until = now() + BigInt(Math.round(seconds * 1e9))
  await Promise.all(Array.from({ length: TASKS }, (_, i) => task(i, until)))
  fs.writeFileSync(path, log.map(entry => JSON.stringify(entry) + '\n').join(''))
  process.exit(0)
}

main()
