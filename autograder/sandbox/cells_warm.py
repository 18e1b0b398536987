"""What the zygote of notebooks imports once, so that no notebook has to: numpy, matplotlib, IPython, this course."""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import os
import sys
import warnings

COURSE = "gradients student.notebook grading local course course.figures course.graphs course.earlier course.training"
OTHERS = """
_sitebuiltins numpy numpy.random IPython IPython.core.interactiveshell IPython.core.ultratb IPython.display
IPython.core.pylabtools matplotlib matplotlib.pyplot matplotlib.figure matplotlib.mathtext
matplotlib.backends.backend_agg matplotlib_inline.backend_inline PIL.PngImagePlugin
"""


class OnlyPackage:
    """Finds the package `autograder` in its folder, and nothing else there: in a checkout, `solutions` lies beside."""

    def __init__(self, folder: str):
        self.folder = folder

    def find_spec(self, name, path=None, target=None):
        if path is None and name == "autograder":
            return importlib.machinery.PathFinder.find_spec(name, [self.folder])
        return None


def warm_up(packages: list[str], course: str, settings: dict[str, str], readable: list[str], folder: str) -> None:
    """Imports what notebooks use; others of these packages are found later, as far as they may be read.

    Args:
        packages: the folders of installed packages.
        course: the folder that holds the package `autograder`.
        settings: environment variables for the time of these imports.
        readable, folder: what a notebook may read, and where it runs; for the confinement.
    """
    sys.path += packages
    sys.meta_path.insert(0, OnlyPackage(course))
    os.environ.update(settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in [*OTHERS.split(), "autograder", *(f"autograder.{name}" for name in COURSE.split())]:
            with contextlib.suppress(ImportError):  # what is not installed is missed by the cell that uses it
                importlib.import_module(name)
        from IPython.core.profiledir import ProfileDir

        # IPython wants to find its folder; later no file can be written
        ProfileDir.create_profile_dir_by_name(settings["IPYTHONDIR"], "default")
