"""What nbgrader loads from us, by its public configuration alone.

releasing   stubs that name their function, for `nbgrader generate_assignment`
intake      reads whatever was handed in, and has `autograde` take every submission
grading     trusted scores, for `nbgrader autograde`
pages       what a student wrote, shown so that it cannot act
export      the grades as CSV that any reader parses
"""
