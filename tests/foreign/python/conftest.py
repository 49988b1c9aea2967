"""A test that is skipped shows nothing: under CI=true it counts as failed."""

import os

import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.skipped and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and CI wants everything run"


def pytest_terminal_summary(terminalreporter):
    passed = len(terminalreporter.stats.get("passed", []))
    rest = sum(len(terminalreporter.stats.get(kind, [])) for kind in ("failed", "error", "skipped"))
    terminalreporter.write_line(f"foreign clients: {passed} passed, {rest} not passed")
