"""The verbs of the command line, one module each; `ccproxy.cli` lists them."""
