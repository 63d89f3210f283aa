"""Rows: tables and where they are read from, how they are checked, divided and encoded."""
