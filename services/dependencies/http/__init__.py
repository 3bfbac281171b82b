"""An HTTP address, judged by conditions."""
