// SPDX-License-Identifier: Apache-2.0
/* Runs writer.js in a thread of its own, with an isolate of its own. Usage: worker.js SECONDS LOG */
'use strict'

const path = require('path')
const { Worker } = require('worker_threads')

new Worker(path.join(__dirname, 'writer.js'), { argv: process.argv.slice(2) })
