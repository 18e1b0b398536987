"""What the course's notebooks use besides the checks: figures, small graphs, training. Open any of it and read."""
