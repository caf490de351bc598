"""The files of an index: pages, what is stored of each text, and the search for the nearest ones."""
