"""What the browser talks to, and the page itself."""
