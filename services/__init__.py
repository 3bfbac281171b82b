"""The product without a screen: what is measured, judged and kept."""
