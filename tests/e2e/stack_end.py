# SPDX-License-Identifier: Apache-2.0
"""
How user stacks ended, as the lines of --dump-samples say: the one place that knows their words.
"""

# Of "end": there was nothing to walk, or the outermost frame was reached.
COMPLETE = {"none", "entry", "zero"}


def reason(sample):
    """The word that the dump has for it."""
    return sample.get("end") or ("truncated" if sample["truncated"] else "entry")


def is_complete(sample):
    return reason(sample) in COMPLETE


def by_fallback(sample):
    """Number of its frames that were found by frame pointer, for want of rows."""
    return sample.get("by_fallback", 0)
