"""Traces of agents: taken in from files and OTLP, kept as Parquet by day, asked with DuckDB."""
