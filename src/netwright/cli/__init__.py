"""The command line: verbs, flags made from types, and how events look in a terminal."""
