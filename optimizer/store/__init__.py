"""What lasts: SQLAlchemy Core over SQLite and PostgreSQL, one file per keeper."""
