"""From files, arrays and other libraries' data sets to a `Pool`."""
