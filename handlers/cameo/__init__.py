"""The handler `cameo-proxy`: the two proxy programs of CAMEO, in one section."""
