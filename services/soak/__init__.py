"""The soak: a day of staging under the policy that production is to run under."""
