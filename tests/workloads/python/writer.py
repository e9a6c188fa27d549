# SPDX-License-Identifier: Apache-2.0
"""
Spends CPU time inside and outside of spans of the OpenTelemetry SDK, and logs which one each thread
was in when. Usage: writer.py threads|tasks|children SECONDS LOG
Seconds are of CPU time, so that a busy machine makes no difference.

A line of the log is a turn: from start to end (CLOCK_MONOTONIC, ns) the thread was in that span, or
in none (null).
"""

import asyncio
import contextvars
import hashlib
import json
import os
import sys
import threading
import time

from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider

THREADS = 3
TASKS = 20
CHILDREN = 8
FOUND_S = 0.3  # so long a new process may take to be found
SPAN_US = (50, 1000, 20000, 150000)
WARM_UP_US = 400_000
BLOCK = bytes(1 << 20)
# So that the trie of context variables has more than one level.
VARIABLES = [contextvars.ContextVar(f"other{i}") for i in range(70)]

trace.set_tracer_provider(TracerProvider())
tracer = trace.get_tracer("writer")


def churn(us):
    end = time.thread_time_ns() + us * 1000
    x = us
    while time.thread_time_ns() < end:
        for _ in range(20):
            x = (x * 6364136223846793005 + 1) & 0xFFFFFFFFFFFFFFFF
        if us > 10000:
            hashlib.blake2b(BLOCK)  # without the interpreter's lock, nor OpenSSL
    return x


def turn(log, span, us):
    """Work in `span`, which is the current one (None: there is none)."""
    start = time.monotonic_ns()
    churn(us)
    ids = span and span.get_span_context()
    log.append({
        "tid": threading.get_native_id(), "start": start, "end": time.monotonic_ns(),
        "span_id": ids and f"{ids.span_id:016x}", "trace_id": ids and f"{ids.trace_id:032x}",
    })  # fmt: skip


def serve(log, us):
    with tracer.start_as_current_span("outer") as outer:
        turn(log, outer, us)
        with tracer.start_as_current_span("inner") as inner:
            turn(log, inner, us)
        turn(log, outer, us)
    turn(log, None, 200)


def remote(log):
    """What a request brings along is a span of another process."""
    ids = trace.SpanContext(trace_id=1 << 100, span_id=1 << 60, is_remote=True)
    token = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(ids)))
    turn(log, None, 3000)
    context.detach(token)


def work(first, until, log):
    for i, variable in enumerate(VARIABLES[: first * 35]):
        variable.set(i)
    number = first
    while time.process_time() < until:
        serve(log, SPAN_US[number % len(SPAN_US)])
        remote(log)
        number += 1


async def task(number, until, log):
    while time.process_time() < until:
        with tracer.start_as_current_span("task") as span:
            for _ in range(5):
                turn(log, span, SPAN_US[number % 3])
                await asyncio.sleep(0)
        turn(log, None, 1000)
        await asyncio.sleep(0)


async def tasks(until, log):
    await asyncio.gather(*(task(i, until, log) for i in range(TASKS)))


def save(log, path):
    """Behind what others have written."""
    with open(path, "a", encoding="ascii") as f:
        f.write("".join(json.dumps(entry) + "\n" for entry in log))


def children(seconds, path):
    """One after the other, all with the same objects at the same addresses, on one CPU."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for _ in range(CHILDREN):
        if os.fork() == 0:
            log = []
            time.sleep(FOUND_S)
            work(1, time.process_time() + seconds / CHILDREN, log)
            save(log, path)
            os._exit(0)
        os.wait()


def main():
    how, seconds, path = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    serve([], 10)
    churn(WARM_UP_US)
    until, log = time.process_time() + seconds, []
    if how == "children":
        children(seconds, path)
    elif how == "tasks":
        asyncio.run(tasks(until, log))
    else:
        threads = [threading.Thread(target=work, args=(i, until, log)) for i in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    save(log, path)


if __name__ == "__main__":
    main()
