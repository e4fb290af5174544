"""Configuration: text to values, values to a frozen Plan, two Plans to a difference. Pure."""
