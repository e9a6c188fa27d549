# SPDX-License-Identifier: Apache-2.0
"""Releases of Go. Those from 1.21 on come as modules; of the older ones Debian has one."""

OF_DEBIAN = "go1.19"


def go(release):
    """The beginning of a command line of that release; None: the one at hand."""
    if release == OF_DEBIAN:
        return ["/usr/lib/go-1.19/bin/go"]
    return ["env", f"GOTOOLCHAIN={release or 'auto'}", "go"]
