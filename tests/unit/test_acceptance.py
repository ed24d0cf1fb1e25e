"""The tool that runs acceptance tests: how it reads outcomes, and the page that it writes."""

from __future__ import annotations

from tools.acceptance import outcome, page, reasons, rows

SAID = """=== RUN   TestAccVM
--- FAIL: TestAccVM (1.00s)
    --- PASS: TestAccVM/made (0.50s)
    --- FAIL: TestAccVM/by_a_shell (0.50s)
    --- SKIP: TestAccVM/otherwise (0.00s)
FAIL
"""


def test_an_outcome_counts_the_parts_of_a_test_that_failed() -> None:
    assert outcome("TestAccVM", SAID) == "failed, 1 of 3 parts passed"
    assert outcome("TestAccVM", SAID.replace("FAIL", "PASS")) == "passed"
    assert outcome("TestAccVM", "--- SKIP: TestAccVM (0.00s)\n") == "skipped"
    assert outcome("TestAccVM", "panic: test timed out\n") == "failed", "what says nothing has not passed"
    assert outcome("TestAccVM", SAID + "\npanic: nil pointer\n") == "failed", "who knows how many parts it has"


def test_the_page_counts_what_needs_only_an_api_and_is_read_back() -> None:
    outcomes = {("vm", "TestAccB"): "passed", ("vm", "TestAccA"): "failed, 1 of 3 parts passed"}
    outcomes["sdn", "TestAccB"] = "failed"
    known = {"of": "a provider", "needs": {"TestAccA": "ssh to a node"}}
    text = page(outcomes, known)
    assert "Of 3 tests 1 pass; 2 need only an API, and 1 of these pass." in text
    assert "| vm | `TestAccA` | failed, 1 of 3 parts passed | ssh to a node |\n" in text
    assert rows(text) == outcomes


def test_every_reason_is_given_once() -> None:
    known = reasons()
    assert known["of"]
    assert all(known["needs"].values())
