"""A file without a handler."""
