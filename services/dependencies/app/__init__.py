"""The application itself: its readiness route and its own dependency report."""
