"""The second process: collects, runs jobs and schedules, serves its own contract and Inngest route."""
