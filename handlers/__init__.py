"""The built-in handlers: one module each, named by the word the INI uses, found like any plugin."""
