"""The console: the pages that an admin looks at."""
