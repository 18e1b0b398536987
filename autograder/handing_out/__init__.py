"""What others get: an nbgrader course, a student repository, graders' bundles, this very package as a wheel."""
