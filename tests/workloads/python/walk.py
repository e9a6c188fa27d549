# SPDX-License-Identifier: Apache-2.0
"""
Walks over MIB of memory in a span of the OpenTelemetry SDK, in one after the other of some milliseconds, or in
none: for measuring what a profiler costs whose data has left the caches since its last sample.
Usage: walk.py MIB span|spans|none
"""

import sys

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider


def walk(memory, ones):
    memory[:] = ones
    memory.count(0)


def main():
    trace.set_tracer_provider(TracerProvider())
    tracer = trace.get_tracer("walk")
    size, how = int(sys.argv[1]) << 20, sys.argv[2]
    memory, ones = bytearray(size), bytes([1]) * size
    while how == "none":
        walk(memory, ones)
    while True:
        with tracer.start_as_current_span("walk"):
            walk(memory, ones)
            while how == "span":
                walk(memory, ones)


if __name__ == "__main__":
    main()
