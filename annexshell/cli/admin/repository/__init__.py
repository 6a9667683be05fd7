"""Verbs about one repository: making it, what it wants and holds, and its settings."""
