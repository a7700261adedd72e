"""Which rule each page has, and where the organisation comes from that it is about.

The rules themselves are in `guard.py`; here is only what a page's address means. A course is
edited by those who hold a teacher's role on the course itself, and by the admin of its school.
"""
