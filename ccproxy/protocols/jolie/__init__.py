"""Calls of Jolie programs: values, callers, and the forms sodep, http and jsonrpc."""
