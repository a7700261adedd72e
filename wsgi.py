"""What gunicorn loads: `gunicorn wsgi:app`."""

from eduhub.app import create_app

app = create_app()
