"""closedloop makes avoidable customer contacts go away, and proves it."""

__version__ = "0.1.0"
