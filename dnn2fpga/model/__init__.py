"""Float models: reading them, cleaning them up, keeping them on disk."""
