"""The suggestions page: suggested links of a wiki, note by note, to copy, accept and reject."""
