"""The engine of a course on writing backpropagation by hand: it checks gradients and names mistakes."""

__version__ = "0.1.0"
