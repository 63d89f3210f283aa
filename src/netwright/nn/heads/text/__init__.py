"""Text out, token by token."""
