"""Tests of the SLOs."""
