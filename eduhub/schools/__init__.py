"""Organisations, their sites, calendars and groups, and who is enrolled where."""
