"""How dates and times are written, by language: the same in pages and in the admin site, and in templates by these names."""
