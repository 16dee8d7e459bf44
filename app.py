"""The application, for a WSGI server: `gunicorn app:app`."""

from closedloop.factory import create_served_app

app = create_served_app()
