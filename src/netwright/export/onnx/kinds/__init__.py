"""What a graph is to know of a kind: `Columns` of one that is read, `Ends` of one that is answered. One file each, named like it."""
