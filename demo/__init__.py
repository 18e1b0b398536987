"""A made-up class and the main job done for it; not part of the package, since it holds right answers."""
