"""The page's server: its built files, and the API and the live events behind the same origin."""
