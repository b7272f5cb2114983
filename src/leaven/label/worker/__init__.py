"""The process beside the page that ranks items and trains rounds."""
