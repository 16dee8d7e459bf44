"""SELECT only: rows and frozen dataclasses ready to show."""
