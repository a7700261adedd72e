"""The teacher's and the reviewer's pages: courses, recordings, what is added to a lesson, review, what was watched. At the hub only, but for a class's own figures."""
