"""What gunicorn loads for tests of uploads: the upload's addresses alone, with the error answers of every page."""

from flask import Flask
from flask_babel import Babel

from eduhub import config, http
from eduhub.installation import open_installation
from eduhub.media import http as media_http

app = Flask("eduhub")
app.config["MAX_CONTENT_LENGTH"] = 1 << 20  # as the whole application has it: an upload must not care
Babel(app)
http.register(app, lambda page: page.happened)
app.register_blueprint(media_http.blueprint(open_installation(config.load())))
