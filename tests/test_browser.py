"""The instructor in formgrader and the student in JupyterLab, by a headless browser.

Screenshots are kept in `build/screenshots`. Skipped where there is no Chromium or no Playwright.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from autograder.catalogue import load_catalogue
from autograder.handing_out.nbgrader_course import make_course
from tests.course import SECRET, SOFTPLUS, A, answers_of, complete, hand_in, nbgrader, repository_of

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

SCREENSHOTS = Path(__file__).parent.parent / "build" / "screenshots"
PATIENCE = 90_000  # milliseconds: a cold JupyterLab on a busy machine takes its time

TEXT = """\
---
kernelspec:
  name: python3
  display_name: Python 3
---

# A smooth ramp

```{code-cell}
import numpy as np
from autograder import check
```

```{code-cell}
# answer: softplus_forward
```

```{code-cell}
check("softplus_forward")
```

+++ {"question": "why", "points": 2}

**Question.** Why is it smooth?
"""
SLIP = {"softplus_backward": "def softplus_backward(dout, cache):\n    return -dout / (1 + np.exp(-cache))"}


@contextlib.contextmanager
def jupyter(folder, home):
    """JupyterLab, with nbgrader's extensions, in a folder; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {f"JUPYTER_{what}_DIR": str(home / what) for what in ("CONFIG", "DATA", "RUNTIME")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    command += ["--IdentityProvider.token=", f"--ServerApp.root_dir={folder}", "--LabApp.news_url="]
    with open(home / "log", "w") as log:
        server = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | settings | {"AUTOGRADER_SECRET": SECRET},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(240):
                assert server.poll() is None, (home / "log").read_text()[-3000:]
                with contextlib.suppress(urllib.error.URLError, ConnectionError):
                    urllib.request.urlopen(f"{address}/api", timeout=30)
                    break
                time.sleep(0.5)
            yield address
        finally:
            server.terminate()
            server.wait(timeout=60)


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    page.set_default_timeout(PATIENCE)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    yield page
    page.close()


@pytest.fixture
def course(tmp_path):
    """A course of one layer and one question, not generated yet."""
    repository = repository_of(tmp_path / "repository", SOFTPLUS)
    (repository / "assignments" / A).mkdir()
    (repository / "assignments" / A / f"{A}.md").write_text(TEXT)
    make_course(load_catalogue(repository / "solutions"), repository / "assignments", tmp_path / "course")
    return tmp_path / "course"


def close_dialog(page):
    """Reads and closes the dialog with which formgrader answers."""
    page.wait_for_selector(".modal.in .modal-title")
    title = page.inner_text(".modal.in .modal-title")
    page.click(".modal.in .modal-footer button")
    page.wait_for_selector(".modal.in", state="hidden")
    return title


def test_formgrader(course, tmp_path, page):
    """Generate, autograde, open a submission, give a score and a comment, generate feedback: all by the browser."""
    with jupyter(course, tmp_path) as address:
        page.goto(f"{address}/formgrader/manage_assignments")
        page.click("td.assign a")
        assert close_dialog(page) == "Success"
        page.screenshot(path=SCREENSHOTS / "formgrader-assignments.png")

        answers = answers_of(course)
        hand_in(course, "ann", answers)
        hand_in(course, "bob", answers | SLIP | {"why": "Because <script>document.title = 'acted'</script> *exp* is."})
        page.goto(f"{address}/formgrader/manage_submissions/{A}")
        for row in range(2):
            page.locator("td.autograde a").nth(row).click()
            assert close_dialog(page) == "Success"
        page.wait_for_selector("text=needs manual grading")
        page.screenshot(path=SCREENSHOTS / "formgrader-submissions.png")

        with Gradebook(f"sqlite:///{course}/gradebook.db", "course") as book:
            bob = book.find_submission_notebook(A, A, "bob")
            assert bob.score == pytest.approx(2.0)
            where = bob.id
        page.goto(f"{address}/formgrader/submissions/{where}/")
        page.wait_for_load_state("networkidle")  # the fields save what is typed once the page has fetched its grades
        page.wait_for_selector("[aria-label='softplus_backward: failed']")
        assert page.title() != "acted"
        assert page.locator("em", has_text="exp").count() == 1
        for field, text in (("input.score#why", "1.5"), ("textarea#why-comment", "Which of the two functions is?")):
            with page.expect_response(lambda answer: answer.request.method == "PUT"):
                page.fill(field, text)
                page.locator(field).blur()
        page.locator("#why").first.scroll_into_view_if_needed()
        page.screenshot(path=SCREENSHOTS / "formgrader-submission.png", full_page=True)

        page.goto(f"{address}/formgrader/manage_submissions/{A}")
        page.locator("tr", has=page.locator("td.student-id", has_text="bob")).locator("td.generate-feedback a").click()
        assert close_dialog(page) == "Success"
    feedback = (course / "feedback" / "bob" / A / f"{A}.html").read_text()
    assert "Which of the two functions is?" in feedback
    assert "(Score: 3.5 / " in feedback
    page.goto(f"file://{course}/feedback/bob/{A}/{A}.html")
    assert page.title() == A
    page.screenshot(path=SCREENSHOTS / "feedback.png", full_page=True)


def test_jupyterlab(course, tmp_path, page):
    """Open the released notebook, type an answer, run its check, read the report, save: what was typed earns points."""
    nbgrader(course, "generate_assignment", A)
    work = tmp_path / "work"
    shutil.copytree(course / "release" / A, work)
    with jupyter(work, tmp_path) as address:
        page.goto(f"{address}/lab/tree/{A}.ipynb?reset")
        cell = page.locator(".jp-Notebook .jp-CodeCell", has_text="def softplus_forward").first
        cell.locator(".cm-content").click()
        page.keyboard.press("Control+A")
        typed = "def softplus_forward(x):\nreturn np.logaddexp(0, x), x"  # JupyterLab indents the second line itself
        page.keyboard.type(typed)
        page.click("text=Run >> nth=0")
        page.click("text=Run All Cells >> nth=0")
        report = page.locator("[aria-label='softplus_forward: passed']")
        report.wait_for(state="visible")
        page.wait_for_selector("text=public checks")
        report.scroll_into_view_if_needed()
        page.screenshot(path=SCREENSHOTS / "jupyterlab.png")
        page.keyboard.press("Control+S")
        for _ in range(100):
            if "logaddexp" in (work / f"{A}.ipynb").read_text():
                break
            page.wait_for_timeout(200)
    handed_in = course / "submitted" / "cat" / A
    shutil.copytree(work, handed_in, ignore=shutil.ignore_patterns(".*"))
    complete(handed_in)
    nbgrader(course, "autograde", A)
    with Gradebook(f"sqlite:///{course}/gradebook.db", "course") as book:
        assert book.find_submission(A, "cat").score == pytest.approx(2.0)
