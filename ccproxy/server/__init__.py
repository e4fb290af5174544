"""The running server: its listeners and handlers from start to stop, and what it says of itself."""
