"""Deployments: whether now is a good moment, what a deploy would cut, which settings hold, and what past ones did."""
