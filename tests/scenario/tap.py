# SPDX-License-Identifier: Apache-2.0
"""TAP for scenarios: @test functions run in order, each gets what the fixture yields.

    import tap
    @tap.test
    def the_fact_it_proves(system): tap.equal(system.get("/"), "hello")
    tap.main(fixture)          # fixture: a context manager, or None
"""
import contextlib
import sys
import time
import traceback

TESTS = []


class Skip(Exception):
    """Raised by a test that cannot run here; its text says why."""


def test(function):
    TESTS.append(function)
    return function


def equal(got, wanted, what=""):
    if got != wanted:
        raise AssertionError(f"{what or 'value'} is {got!r}, not {wanted!r}")


def true(condition, what):
    if not condition:
        raise AssertionError(f"not true: {what}")


def until(condition, what, seconds=20.0):
    """Waits for something that other processes do; the pause only spares the processor."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"did not happen in {seconds} s: {what}")
        time.sleep(0.01)


def main(fixture=None):
    print(f"TAP version 13\n1..{len(TESTS)}", flush=True)
    failed = 0
    with (fixture() if fixture else contextlib.nullcontext()) as value:
        for number, function in enumerate(TESTS, 1):
            try:
                function(value) if fixture else function()
                print(f"ok {number} - {function.__name__}", flush=True)
            except Skip as why:
                print(f"ok {number} - {function.__name__} # SKIP {why}", flush=True)
            except Exception:  # every failure of a test is its result
                failed += 1
                print(f"not ok {number} - {function.__name__}")
                for line in traceback.format_exc().splitlines():
                    print("#", line)
                if hasattr(value, "logs"):
                    for line in value.logs().splitlines()[-40:]:
                        print("# log:", line)
                sys.stdout.flush()
    sys.exit(1 if failed else 0)
