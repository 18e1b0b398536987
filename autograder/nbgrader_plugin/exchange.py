"""Collecting from the exchange, a folder that every student can write to, and giving feedback back.

nbgrader's own `collect` follows links with the instructor's rights (a link to the solutions would be handed in as their
text), takes the time from a file that a student can edit, and stops at the first submission that cannot be copied.
Its `release_feedback` stops at the first submission that did not come from the exchange, or looks so.
"""

from __future__ import annotations

import datetime
import glob
import os
import shutil
import tempfile
from pathlib import Path

from nbgrader.exchange.default import ExchangeCollect, ExchangeReleaseFeedback


class SafeCollect(ExchangeCollect):
    """As nbgrader's, with plain files only, the exchange's own time, and every submission on its own."""

    def _path_to_record(self, path):
        try:
            return super()._path_to_record(path)
        except Exception:  # a name that `nbgrader submit` did not give; the time is when it came to be there
            name = os.path.basename(path)
            self.log.warning("%s was not put there by nbgrader submit", path)
            time = datetime.datetime.fromtimestamp(os.lstat(path).st_ctime, datetime.UTC).replace(tzinfo=None)
            return {"username": name.split("+")[0], "filename": name, "timestamp": time}

    def do_copy(self, src, dest, log=None):
        with tempfile.TemporaryDirectory() as folder:
            try:
                if self.get_size(src) > 1000 * self.coursedir.max_dir_size:
                    raise OSError(f"it is larger than {self.coursedir.max_dir_size} kB")
                plain = os.path.join(folder, "plain")
                shutil.copytree(src, plain, ignore=_not_plain)
                super().do_copy(plain, dest, log)
            except (OSError, RuntimeError) as error:
                # The folder that is left is graded for what is in it, and says why that is little.
                self.log.error("%s could not be collected: %s", src, error)
                os.makedirs(dest, exist_ok=True)
        time = Path(dest, "timestamp.txt")
        time.unlink(missing_ok=True)
        time.write_text(f"{self._path_to_record(src)['timestamp']} UTC")


class SafeReleaseFeedback(ExchangeReleaseFeedback):
    """As nbgrader's, for every student who handed in by the exchange; the others are named."""

    def copy_files(self):
        for folder in sorted(glob.glob(self.src_path)):
            if all(os.path.isfile(os.path.join(folder, name)) for name in ("timestamp.txt", "submission_secret.txt")):
                self.src_path = glob.escape(folder)
                super().copy_files()
            else:
                self.log.warning("%s was not handed in by the exchange: hand it back as it came", folder)


def _not_plain(folder: str, names: list[str]) -> list[str]:
    """Links, pipes and devices."""
    paths = {name: os.path.join(folder, name) for name in names}
    return [n for n, path in paths.items() if os.path.islink(path) or not (os.path.isdir(path) or os.path.isfile(path))]
