# SPDX-License-Identifier: Apache-2.0
"""Exact confidence intervals of a binomial share (Clopper and Pearson), without scipy."""

import math

CONFIDENCE = 0.999


def _continued_fraction(a, b, x):
    """Of the incomplete beta function, by Lentz's method; converges for x < (a+1)/(a+b+2)."""
    tiny = 1e-300
    c, d = 1.0, 1.0 / max(1.0 - (a + b) * x / (a + 1.0), tiny)
    result = d
    for m in range(1, 10000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 / (1.0 + term * d or tiny)
            c = 1.0 + term / c or tiny
            result *= c * d
        if abs(c * d - 1.0) < 1e-13:
            return result
    raise ArithmeticError(f"no convergence for a={a} b={b} x={x}")


def incomplete_beta(a, b, x):
    """Regularized: the probability that a Beta(a, b) variable is at most x."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _continued_fraction(a, b, x) / a
    return 1.0 - front * _continued_fraction(b, a, 1.0 - x) / b


def _beta_quantile(p, a, b):
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if incomplete_beta(a, b, middle) < p:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def interval(hits, n, confidence=CONFIDENCE):
    """The shares that are compatible with `hits` out of `n`."""
    tail = (1.0 - confidence) / 2
    low = 0.0 if hits == 0 else _beta_quantile(tail, hits, n - hits + 1)
    high = 1.0 if hits == n else _beta_quantile(1.0 - tail, hits + 1, n - hits)
    return low, high


def assert_share(hits, n, expected, what):
    """Fails if a true share of `expected` does not explain `hits` out of `n` samples."""
    low, high = interval(hits, n)
    assert low <= expected <= high, (
        f"{what}: {hits} of {n} samples = {hits / n:.4f}, so between {low:.4f} and {high:.4f} "
        f"({CONFIDENCE:.1%}); the truth is {expected:.4f}"
    )
