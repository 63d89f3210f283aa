"""Verbs: what a user does, one file each. They join the rooms and hold no method of their own."""
