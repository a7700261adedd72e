"""Command line, supervisor, health, backup, demo, and the table from job names to functions.

Starts the web server and the workers as child processes and imports neither.
"""
