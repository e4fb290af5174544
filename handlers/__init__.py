"""The built-in handlers: one module each, named by its word in the INI, found like any plugin."""
