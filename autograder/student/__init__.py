"""What students use while they work: `check()` in a notebook, `autograder check` and `autograder watch`."""
