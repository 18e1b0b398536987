"""What nbgrader loads from us, by its public configuration (and one wrapped method, see `intake`).

releasing   stubs that name their function, for `nbgrader generate_assignment`
exchange    collecting plain files only, and giving feedback back
intake      reads whatever was handed in, and has `autograde` take every submission
grading     trusted scores, for `nbgrader autograde`
workers     a class graded on several cores
history     no score falls by grading again, unless asked
changes     the scores before and after, as one table
late        late penalties by the day, with extensions
running     the rest of a notebook, run for its plots; `pictures` takes those apart
pages       what a student wrote, shown so that it cannot act
export      the grades as CSV that any reader parses
"""
