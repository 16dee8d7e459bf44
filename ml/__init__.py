"""Numbers and language: arrays and dataclasses in and out; knows no Flask, no database."""
