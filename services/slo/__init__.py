"""SLOs: objectives, budgets, burn rates, and what spent them."""
