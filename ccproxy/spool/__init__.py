"""Stores on disk: what a link has to deliver, in one SQLite file, over crashes and power cuts."""
