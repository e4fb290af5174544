"""The verb mesh: what a Manager knows, and what it is to do."""
