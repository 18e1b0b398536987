"""Stubs that name their function: what `nbgrader generate_assignment` does differently in our courses."""

from __future__ import annotations

import re

from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import ClearSolutions

FUNCTION = re.compile(r"^def (\w+)", re.MULTILINE)


class NamedStubs(ClearSolutions):
    """Replaces a solution by a line that says which function is still to be written.

    A question that a person grades keeps its text; only a model answer between markers is taken out of it.
    """

    def preprocess_cell(self, cell, resources, cell_index):
        if cell.cell_type == "markdown" and self.begin_solution_delimeter not in cell.source:
            return cell, resources
        function = FUNCTION.search(cell.source)
        what = f"Need to implement {function[1]}" if function else "Need to write this cell"
        self.code_stub = {"python": f'raise NotImplementedError("{what}")'}
        return super().preprocess_cell(cell, resources, cell_index)


# nbgrader's own steps from a source notebook to the released one, with our stubs.
RELEASE = [NamedStubs if step is ClearSolutions else step for step in GenerateAssignment.preprocessors.default()]
# The same by name: nbgrader's formgrader wants to write its configuration as JSON.
RELEASE_STEPS = [f"{step.__module__}.{step.__qualname__}" for step in RELEASE]
