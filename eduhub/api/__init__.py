"""JSON for the front end and for other systems. One module a domain; `openapi.py` describes every route."""

from flask import Flask
from flask_wtf import CSRFProtect

from eduhub.api import health, learning, openapi


def register(app: Flask, csrf: CSRFProtect) -> None:
    """Give an app these routes. The one that takes its own token and no cookie needs no other proof of origin."""
    for blueprint in (health.bp, learning.bp, openapi.bp):
        app.register_blueprint(blueprint)
    csrf.exempt(learning.append_events)
