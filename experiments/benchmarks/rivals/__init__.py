"""The code that a user would write without this project, kept for comparison."""
