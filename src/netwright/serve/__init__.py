"""A run behind an address: a page to try it, an API, its documentation."""
