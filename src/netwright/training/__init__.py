"""Training: the one loop, and what it is made of. It knows no kinds and no sources."""
